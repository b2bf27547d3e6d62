import {
  type Box,
  convertBox,
  type FrameKind,
  type FrameOf,
  type ImageSize,
  isBox,
  pixels,
} from "@vlmr1/core";
import type { Mention } from "@vlmr1/core/files";
import { checkBoxInside, optionalField, recordOf, wrongField } from "./record-samples.ts";

/** The target of a sample whose images have these sizes. @throws VlmR1Error `invalid-data` when it does not fit them. */
export type TargetOfImages<Target> = (sizes: readonly ImageSize[]) => Target;

/**
 * Reads the answer of a record into the target that rewards compare with. `value` is as the file has it, a string, number or list;
 * `text` is the same as Python would print it, without <answer> tags. It is called while loading, to find mistakes early; what it
 * returns is called when the images are decoded.
 */
export type AnswerReader<Target> = (
  value: unknown,
  text: string,
  mention: AnswerMention,
) => TargetOfImages<Target>;

/** Where an answer stands. */
export interface AnswerMention extends Mention {
  /** Notes what may be wrong with the answer; absent when a sample is read again after it was loaded. */
  readonly doubt?: (kind: string) => void;
}

/** The answer as text: for exact, numeric, multiple-choice and mathematical rewards. */
export function answerAsText(_value: unknown, text: string): TargetOfImages<{ readonly answer: string }> {
  return () => ({ answer: text });
}

/** The answer as one box in pixels of the first image: `[x1, y1, x2, y2]`, as a list or written in the text. */
export const answerAsBox: AnswerReader<{ readonly box: Box }> = answerAsBoxIn(pixels);

/**
 * The answer as one box in another frame, for example `answerAsBoxIn(thousand)` for the files made for InternVL and Qwen2-VL, whose
 * boxes are in 0..1000. The target is in pixels all the same.
 */
export function answerAsBoxIn<Kind extends FrameKind>(
  frame: FrameOf<Kind>,
): AnswerReader<{ readonly box: Box }> {
  return (value, text, mention) => {
    const written = Array.isArray(value) ? value : (boxInText(text) ?? text);
    const box = boxIn(written, frame, "answer", mention);
    return ([image]) => ({ box: boxInPixels(box, frame, image, "answer", mention) });
  };
}

/** The truth of a detection question. */
export interface ObjectsAnswer {
  readonly objects: readonly { readonly box: Box; readonly label: string }[];
}

/**
 * The answer as a list of labelled boxes in pixels of the first image: a JSON list of `{"bbox_2d": […], "label": "…"}`, fenced or
 * not, or `None` for no object.
 */
export const answerAsObjects: AnswerReader<ObjectsAnswer> = answerAsObjectsIn(pixels);

/** Labelled boxes in another frame; the target is in pixels all the same. */
export function answerAsObjectsIn<Kind extends FrameKind>(frame: FrameOf<Kind>): AnswerReader<ObjectsAnswer> {
  return (value, text, mention) => {
    const list = Array.isArray(value) ? value : text.trim() === "None" ? [] : jsonInText(text);
    if (!Array.isArray(list)) {
      throw wrongField(
        mention,
        "answer",
        'a JSON list of {"bbox_2d": [x1, y1, x2, y2], "label": "…"}, or None',
        text,
      );
    }
    const objects = list.map((entry) => {
      const record = recordOf(entry, mention);
      const label = optionalField(record, "label");
      if (typeof label !== "string") throw wrongField(mention, "label", "text", label);
      const written = optionalField(record, "bbox_2d") ?? optionalField(record, "bbox");
      return { label, box: boxIn(written, frame, "bbox_2d", mention) };
    });
    return ([image]) => ({
      objects: objects.map(({ label, box }) => ({
        label,
        box: boxInPixels(box, frame, image, "bbox_2d", mention),
      })),
    });
  };
}

function boxIn<Kind extends FrameKind>(
  value: unknown,
  frame: FrameOf<Kind>,
  key: string,
  mention: AnswerMention,
): Box<Kind> {
  if (!isBox(value)) throw wrongField(mention, key, "a box [x1, y1, x2, y2] with x1 < x2 and y1 < y2", value);
  const isFraction = Math.max(...value) <= 1 && frame({ width: 1000, height: 1000 }).kind !== "unit";
  if (isFraction) mention.doubt?.(unitScale);
  return value as Box<FrameKind> as Box<Kind>;
}

/** What is said of boxes that can hardly be meant in the frame in which they are read. */
export const unitScale =
  "the box lies within 0..1, which is less than a pixel in the frame it is read in. " +
  "When boxes are fractions of width and height, name that frame: answerAsBoxIn(unit), or --answer-frame unit";

function boxInPixels<Kind extends FrameKind>(
  box: Box<Kind>,
  frame: FrameOf<Kind>,
  image: ImageSize | undefined,
  key: string,
  mention: Mention,
): Box {
  if (image === undefined)
    throw wrongField(mention, key, "a box belongs to an image, and no image", undefined);
  const converted = convertBox<Kind, "pixels">(box, frame(image), pixels(image));
  checkBoxInside(converted, image, key, mention);
  return converted;
}

/** The first four numbers in brackets; undefined when there are none. */
function boxInText(text: string): readonly number[] | undefined {
  const inside = /\[([^[\]]{1,400})\]/.exec(text)?.[1];
  const numbers = inside?.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  return numbers?.length === 4 ? numbers : undefined;
}

function jsonInText(text: string): unknown {
  const start = text.indexOf("[");
  const end = text.lastIndexOf("]");
  try {
    return start < 0 ? undefined : JSON.parse(text.slice(start, end + 1));
  } catch {
    return undefined;
  }
}
