import type { Box, ImageSize } from "@vlmr1/core";
import { boxField, checkBoxInside, optionalField, recordOf, wrongField } from "./record-fields.ts";
import type { Mention } from "../inside-folder.ts";

/** What a published answer means as truth, and how to check it once the image is known. */
export interface ReadAnswer<Target> {
  readonly target: Target;
  readonly check?: (sizes: readonly ImageSize[]) => void;
}

/**
 * Reads the answer field of a record into the target that rewards compare with. `value` is as the file has it, a string, number or
 * list; `text` is the same as Python would print it, without <answer> tags.
 */
export type AnswerReader<Target> = (value: unknown, text: string, mention: Mention) => ReadAnswer<Target>;

/** The answer as text: for exact, numeric, multiple-choice and mathematical rewards. */
export function answerAsText(_value: unknown, text: string): ReadAnswer<{ readonly answer: string }> {
  return { target: { answer: text } };
}

/** The answer as one box in pixels of the first image: `[x1, y1, x2, y2]`, as a list or written in the text. */
export function answerAsBox(
  value: unknown,
  text: string,
  mention: Mention,
): ReadAnswer<{ readonly box: Box }> {
  const box = boxField(Array.isArray(value) ? value : (boxInText(text) ?? text), "answer", mention);
  return { target: { box }, check: ([image]) => checkBoxInside(box, image, "answer", mention) };
}

/**
 * The answer as a list of labelled boxes in pixels of the first image: a JSON list of `{"bbox_2d": […], "label": "…"}`, fenced or
 * not, or `None` for no object.
 */
export function answerAsObjects(
  value: unknown,
  text: string,
  mention: Mention,
): ReadAnswer<{ readonly objects: readonly { readonly box: Box; readonly label: string }[] }> {
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
    return {
      box: boxField(optionalField(record, "bbox_2d") ?? optionalField(record, "bbox"), "bbox_2d", mention),
      label,
    };
  });
  const check = ([image]: readonly ImageSize[]): void => {
    for (const { box } of objects) checkBoxInside(box, image, "bbox_2d", mention);
  };
  return { target: { objects }, check };
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
