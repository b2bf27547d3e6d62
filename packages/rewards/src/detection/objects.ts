import { type Box, isBox, type RewardInput } from "@vlmr1/core";
import { readDetections } from "../read/boxes.ts";
import { lettersOf, plainText } from "../read/characters.ts";
import { boxConverter, type FrameReading } from "../read/frames.ts";
import { readJson } from "../read/json.ts";
import { readShortAnswer, type Which } from "../read/spans.ts";
import { type LabelledBox, type ObjectsTarget, targetObjects } from "../target.ts";

/** How the objects of an answer are found. */
export interface ObjectReading extends FrameReading {
  /** Which `<answer>` counts when there are several. Default `last`. */
  readonly answer?: Which;
}

/** One object that a completion claims to see, in pixels. */
export interface WrittenObject extends LabelledBox {
  /** 0..1; 1 when the model gave none. */
  readonly confidence: number;
}

/** What a detection rule compares: labels are evened out (case, white space). */
export interface DetectionCase {
  readonly written: readonly WrittenObject[];
  readonly truths: readonly LabelledBox[];
}

/** A box that matches nothing: what a written box with its corners in the wrong order counts as. */
const nowhere: Box = [0, 0, 0, 0];

/**
 * Reads what a completion claims and what is true. Where one side is empty every detection rule agrees, and
 * the answer is a number: 1 when nothing is there and the answer says so (`None`, `[]`), else 0. Silence
 * does not say so.
 */
export function readCase(input: RewardInput<ObjectsTarget>, reading: ObjectReading): DetectionCase | 0 | 1 {
  const truths = targetObjects(input.sample).map(({ box, label }) => ({ box, label: plainText(label) }));
  const answer = readShortAnswer(input.completion, reading.answer);
  const inPixels = boxConverter(input.sample, reading);
  const written = readDetections(answer).map(({ box, label, confidence = 1 }): WrittenObject => ({
    box: isBox(box) ? inPixels(box) : nowhere,
    label: plainText(label),
    confidence: Math.min(1, Math.max(0, confidence)),
  }));
  if (truths.length === 0) return written.length === 0 && saysNothing(answer) ? 1 : 0;
  return written.length === 0 ? 0 : { written, truths };
}

/** Words that say that nothing is there; longer answers are not looked at. */
const nothing = new Set(["none", "nothing", "no", "null"]);
const longest = 400;

function saysNothing(answer: string): boolean {
  const trimmed = answer.trim();
  if (trimmed === "" || trimmed.length > longest) return false;
  const values = readJson(trimmed);
  if (values.some((value) => Array.isArray(value) && value.length === 0)) return true;
  return lettersOf(trimmed.toLowerCase()).some((word) => nothing.has(word));
}
