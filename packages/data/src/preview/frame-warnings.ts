import { boxArea, convertBox, frameExtent, pixels, type Box, type Frame, type ImageSize } from "@vlmr1/core";
import type { DrawnBox } from "./sample-view.ts";

const question = "Is it written in another?";

/** What looks wrong with boxes in pixels of an image: a target outside of it, or answers that are not on their targets. */
export function frameWarnings(image: ImageSize, boxes: readonly DrawnBox[], frame: Frame): string[] {
  const inRole = (role: DrawnBox["role"]): Box[] =>
    boxes.filter((box) => box.role === role).map(({ box }) => box);
  const [targets, answers] = [inRole("target"), inRole("answer")];
  if ([...targets, ...inRole("other")].some((box) => isOutside(box, image)))
    return ["The target leaves the image."];
  if (answers.some((box) => isOutside(box, image))) {
    return [`The answer leaves the image when read in this frame. ${question}`];
  }
  if (targets.length === 0) return [];
  const distances = answers.map((answer) =>
    Math.min(...targets.map((target) => farthest(answer, target, image, frame))),
  );
  const distance = Math.max(0, ...distances);
  if (distance === Infinity) return [`The answer misses the target when read in this frame. ${question}`];
  if (distance <= tolerance(frame)) return [];
  const shown = frame.kind === "unit" ? distance.toFixed(3) : distance.toFixed(0);
  return [`The answer is up to ${shown} beside the target when read in this frame. ${question}`];
}

function isOutside(box: Box, { width, height }: ImageSize): boolean {
  return box[0] < -1 || box[1] < -1 || box[2] > width + 1 || box[3] > height + 1;
}

/** The largest difference of two coordinates, in units of the frame; infinite when the boxes hardly overlap. */
function farthest(a: Box, b: Box, image: ImageSize, frame: Frame): number {
  if (intersectionOverUnion(a, b) < 0.5) return Infinity;
  const [first, second] = [a, b].map((box) => convertBox(box, pixels(image), frame));
  return Math.max(...(first as Box).map((value, i) => Math.abs(value - ((second as Box)[i] as number))));
}

/** What rounding explains: a whole number in frames of whole numbers, and a five-hundredth of the frame. */
function tolerance(frame: Frame): number {
  return Math.max(...frameExtent(frame)) / 500 + (frame.kind === "unit" ? 0 : 1);
}

function intersectionOverUnion(a: Box, b: Box): number {
  const left = Math.max(a[0], b[0]);
  const top = Math.max(a[1], b[1]);
  const shared = boxArea([left, top, Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  const union = boxArea(a) + boxArea(b) - shared;
  return union > 0 ? shared / union : 0;
}
