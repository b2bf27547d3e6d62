import {
  type Box,
  boxArea,
  convertBox,
  type Frame,
  frameExtent,
  type FrameOf,
  type ImageSize,
  isBox,
  pixels,
  type RgbImage,
  type Sample,
} from "@vlmr1/core";
import sharp from "sharp";
import { roundHalfEven } from "../prompts.ts";

/** A box to draw: the truth, a box of the sample's answer, or another object of the picture. */
export interface DrawnBox {
  readonly role: "target" | "answer" | "other";
  readonly box: Box;
  /** What it is called, and where it is in the numbers of the model's frame. */
  readonly label: string;
}

/** A picture with everything that is drawn on it. */
export interface PictureView {
  /** `data:` address of the picture, enlarged or reduced to the size of the view. */
  readonly source: string;
  readonly width: number;
  readonly height: number;
  /** Pixels of the view per pixel of the image. */
  readonly scale: number;
  readonly frame: Frame;
  readonly boxes: readonly DrawnBox[];
}

/** A sample ready to be shown. */
export interface SampleView {
  readonly id: string;
  readonly group: string | undefined;
  readonly prompt: string;
  readonly answer: string | undefined;
  /** The truth in a line of JSON, without the boxes that are drawn. */
  readonly truth: string;
  readonly pictures: readonly PictureView[];
  /** What looks wrong: a box outside its image, an answer that misses the target in the frame that was named. */
  readonly warnings: readonly string[];
}

/** Prepares a sample to be shown in pictures of at most `side` pixels. */
export async function viewSample(sample: Sample, frameOf: FrameOf, side: number): Promise<SampleView> {
  const [first] = sample.images;
  const frame = first && frameOf(first);
  const targets = targetBoxes(sample.target);
  const boxes = first && frame ? drawnBoxes(sample, targets, first, frame) : [];
  const pictures = sample.images.map(async (image, i) =>
    viewPicture(image, frameOf(image), i === 0 ? boxes : [], side),
  );
  return {
    id: sample.id,
    group: sample.group,
    prompt: sample.prompt,
    answer: sample.answer,
    truth: truthText(sample.target),
    pictures: await Promise.all(pictures),
    warnings: first && frame ? frameWarnings(first, boxes, frame) : [],
  };
}

interface NamedBox {
  readonly box: Box;
  readonly name: string;
  readonly role: "target" | "other";
}

/** The boxes in a target of any shape: `box`, `objects`, and the scene of a drawn sample. */
function targetBoxes(target: unknown): NamedBox[] {
  const { box, objects, scene } = fields(target);
  const asked: NamedBox[] = [...(isBox(box) ? [{ box, name: "" }] : []), ...namedBoxes(objects)].map(
    (named) => ({
      ...named,
      role: "target",
    }),
  );
  const others = namedBoxes(fields(scene)["objects"]).filter(
    (other) => !asked.some((named) => named.box.every((value, i) => value === other.box[i])),
  );
  return [...asked, ...others.map((named) => ({ ...named, role: "other" as const }))];
}

function namedBoxes(objects: unknown): { box: Box; name: string }[] {
  if (!Array.isArray(objects)) return [];
  return objects.flatMap((object) => {
    const { box, label, color, name } = fields(object);
    const words = [label, color, name].filter((word) => typeof word === "string");
    return isBox(box) ? [{ box, name: words.join(" ") }] : [];
  });
}

/** With more targets than this their numbers would cover the picture; they are still in the answer. */
const mostNumbers = 3;

function drawnBoxes(sample: Sample, targets: readonly NamedBox[], image: RgbImage, frame: Frame): DrawnBox[] {
  const own = pixels(image);
  const isCrowded = targets.filter(({ role }) => role === "target").length > mostNumbers;
  const truth = targets.map(({ box, name, role }) => {
    const numbers = convertBox(box, own, frame).map((value) => formatCoordinate(value, frame));
    const isNamedOnly = role === "other" || (isCrowded && name !== "");
    return { role, box, label: isNamedOnly ? name : `${name} [${numbers.join(", ")}]`.trim() };
  });
  const answers = boxesInText(sample.answer ?? "").map((numbers) => ({
    role: "answer" as const,
    box: convertBox(numbers as Box<never>, frame as Frame<never>, own),
    label: "",
  }));
  return [...truth, ...answers];
}

/** A coordinate as it is written in its frame: thousandths of the unit, whole numbers elsewhere. */
export function formatCoordinate(value: number, frame: Frame): string {
  return frame.kind === "unit" ? String(Math.round(value * 1000) / 1000) : String(roundHalfEven(value));
}

async function viewPicture(
  image: RgbImage,
  frame: Frame,
  boxes: readonly DrawnBox[],
  side: number,
): Promise<PictureView> {
  const scale = side / Math.max(image.width, image.height);
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  // Enlarged pictures keep their pixels visible: they are what the model gets.
  const resized = sharp(image.data, { raw }).resize(width, height, {
    kernel: scale > 1 ? "nearest" : "lanczos3",
    fit: "fill",
  });
  const bytes = scale > 1 ? await resized.png().toBuffer() : await resized.jpeg({ quality: 88 }).toBuffer();
  const source = `data:image/${scale > 1 ? "png" : "jpeg"};base64,${bytes.toString("base64")}`;
  return { source, width, height, scale, frame, boxes };
}

const longestTruth = 400;

function truthText(target: unknown): string {
  const shown = Object.entries(fields(target)).filter(
    ([name]) => !["box", "objects", "scene", "segmentation"].includes(name),
  );
  if (shown.length === 0) return "";
  const text = JSON.stringify(Object.fromEntries(shown)) ?? "";
  return text.length > longestTruth ? `${text.slice(0, longestTruth)}…` : text;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/**
 * Four numbers in brackets, as every answer format of the field writes a box. Each alternative begins differently:
 * linear time.
 */
const bracketed =
  /\[\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*\]/g;

/** More than this many characters of an answer are not searched. */
const longestAnswer = 20_000;

/** The boxes that a text mentions, as the numbers it wrote: which frame they are in, the text does not say. */
export function boxesInText(text: string): (readonly [number, number, number, number])[] {
  return Array.from(text.slice(0, longestAnswer).matchAll(bracketed), ([, x1, y1, x2, y2]) => [
    Number(x1),
    Number(y1),
    Number(x2),
    Number(y2),
  ]);
}

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
