import { VlmR1Error, type ImageSize } from "@vlmr1/core";
import { findIntegerBox } from "./format.ts";
import { pythonJson, type PythonValue } from "./python-json.ts";
import { asciiDigits } from "./python-text.ts";
import { firstAnswer, lastAnswer } from "./tags.ts";

type Coordinates = readonly [x1: number, y1: number, x2: number, y2: number];

/**
 * `iou`: intersection over union with VLM-R1's inclusive corners.
 *
 * Bugs kept: an overlap of at most one pixel in either direction counts as none, so boxes in 0..1 never
 * overlap; inverted boxes have negative areas. Where Python divides by zero this is 0, as the caller's
 * `except` makes it. Fixed twin: `boxIou` of @vlmr1/eval.
 */
export function iou(a: Coordinates, b: Coordinates): number {
  const x1 = Math.max(a[0], b[0]);
  const y1 = Math.max(a[1], b[1]);
  const x2 = Math.min(a[2] - 1, b[2] - 1);
  const y2 = Math.min(a[3] - 1, b[3] - 1);
  const intersection = x1 < x2 && y1 < y2 ? (x2 - x1 + 1) * (y2 - y1 + 1) : 0;
  const union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - intersection;
  return union === 0 ? 0 : intersection / union;
}

/** The sizes between which the Qwen module rescales. */
export interface Rescaling {
  /** The image that the model saw: image_grid_thw times 14. */
  readonly input: ImageSize;
  /** The image on disk, in whose pixels the solution is. */
  readonly original: ImageSize;
}

/**
 * `iou_reward` of the Qwen and InternVL modules: {@link iou} of the first box of the first answer with the
 * solution's.
 *
 * The Qwen module rescales the prediction; InternVL does not (leave `rescaling` out). Bugs kept: only whole
 * numbers without a sign are read, and those of {@link iou}. Fixed twin: `iouReward({ frame })`.
 *
 * @throws VlmR1Error `invalid-data` when the solution holds no JSON list of four numbers in `<answer>`.
 */
export function iouReward(content: string, solution: string, rescaling?: Rescaling): number {
  return overlap(content, solution, iou, rescaling);
}

/**
 * `iou_reward` of the GLM module: plain IoU, no rescaling. Bug kept: only whole numbers without a sign are
 * read. Fixed twin: `iouReward()`.
 *
 * @throws VlmR1Error `invalid-data` as {@link iouReward}.
 */
export function iouRewardGlm(content: string, solution: string): number {
  return overlap(content, solution, plainIou);
}

function overlap(
  content: string,
  solution: string,
  compare: (a: Coordinates, b: Coordinates) => number,
  rescaling?: Rescaling,
): number {
  const truth = solutionBox(solution);
  const box = findIntegerBox(asciiDigits(firstAnswer(content) ?? ""))?.box;
  if (!box) return 0;
  const value = compare(rescaling ? rescaled(box, rescaling) : box, truth);
  return Number.isFinite(value) ? value : 0;
}

function plainIou(a: Coordinates, b: Coordinates): number {
  const x1 = Math.max(a[0], b[0]);
  const y1 = Math.max(a[1], b[1]);
  const x2 = Math.min(a[2], b[2]);
  const y2 = Math.min(a[3], b[3]);
  const intersection = x1 < x2 && y1 < y2 ? (x2 - x1) * (y2 - y1) : 0;
  const union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - intersection;
  return union === 0 ? 0 : intersection / union;
}

function rescaled(box: Coordinates, { input, original }: Rescaling): Coordinates {
  return [
    (box[0] / input.width) * original.width,
    (box[1] / input.height) * original.height,
    (box[2] / input.width) * original.width,
    (box[3] / input.height) * original.height,
  ];
}

function solutionBox(solution: string): Coordinates {
  const numbers = toNumbers(pythonJson(lastAnswer(solution) ?? ""));
  if (numbers && numbers.length >= 4) return numbers as unknown as Coordinates;
  throw new VlmR1Error(
    "invalid-data",
    `The solution must be "<answer> [x1, y1, x2, y2] </answer>", got ${JSON.stringify(solution.slice(0, 200))}.`,
  );
}

/** A list of numbers, or undefined where Python's arithmetic would raise. */
export function toNumbers(value: PythonValue | undefined): number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const numbers = (value as readonly PythonValue[]).map(toNumber);
  return numbers.every((number) => number !== undefined) ? numbers : undefined;
}

/** A number as Python's arithmetic sees it: True is 1. */
export function toNumber(value: PythonValue | undefined): number | undefined {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "number") return value;
  if (typeof value !== "object" || value === null) return undefined;
  if ("int" in value) return Number(value.int);
  return "float" in value ? value.float : undefined;
}
