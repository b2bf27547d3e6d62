import { type ImageSize, VlmR1Error } from "@vlmr1/core";
import { digitsEnd } from "../read/characters.ts";
import { pythonJson, type PythonValue } from "./python-json.ts";
import { asciiDigits, firstAnswer, lastAnswer, spaceEnd } from "./python-text.ts";

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

/**
 * `format_reward`: 1 when the whole text is `<think>.*?</think>\s*<answer>.*?</answer>`.
 *
 * Bugs kept: empty thoughts and answers pass, and so does anything between the first and the last tag.
 * Fixed twin: `formatReward()`.
 */
export function formatReward(content: string): number {
  if (!content.startsWith("<think>") || !content.endsWith("</answer>")) return 0;
  const bridge = bridgeEnd(content, "<think>".length);
  return bridge >= 0 && bridge <= content.length - "</answer>".length ? 1 : 0;
}

/**
 * `format_reward_rec` of the Qwen module: 1 when a thought, an answer and, inside braces in it, a box of
 * whole numbers occur in this order anywhere.
 *
 * Bugs kept: decimals and negative numbers are refused, and text before and after is free. Fixed twin:
 * `gate(formatReward(), iouReward())`.
 */
export function formatRewardRec(completion: string): number {
  const content = asciiDigits(completion);
  const answer = answerAfterThought(content);
  if (answer < 0) return 0;
  const brace = content.indexOf("{", answer);
  const box = brace < 0 ? undefined : findIntegerBox(content, brace + 1);
  const closing = box ? content.indexOf("}", box.end) : -1;
  return closing >= 0 && content.includes("</answer>", closing + 1) ? 1 : 0;
}

/**
 * `format_reward_rec` of the InternVL module: as {@link formatRewardRec}, without the braces. Fixed twin:
 * `gate(formatReward(), iouReward())`.
 */
export function formatRewardRecInternVl(completion: string): number {
  const content = asciiDigits(completion);
  const answer = answerAfterThought(content);
  const box = answer < 0 ? undefined : findIntegerBox(content, answer);
  return box && content.includes("</answer>", box.end) ? 1 : 0;
}

/**
 * `format_reward_rec` of the GLM module: 1 when `<think>`, `<answer>` and `</answer>` occur in this order.
 *
 * Bug kept: the thought need not end. Fixed twin: `formatReward()`.
 */
export function formatRewardRecGlm(content: string): number {
  const thought = content.indexOf("<think>");
  const answer = thought < 0 ? -1 : content.indexOf("<answer>", thought + 7);
  return answer >= 0 && content.includes("</answer>", answer + 8) ? 1 : 0;
}

function answerAfterThought(content: string): number {
  const thought = content.indexOf("<think>");
  return thought < 0 ? -1 : bridgeEnd(content, thought + 7);
}

/** Where the first `</think>\s*<answer>` from `start` on ends, or -1. */
function bridgeEnd(content: string, start: number): number {
  let thoughtEnd = content.indexOf("</think>", start);
  while (thoughtEnd >= 0) {
    const answer = spaceEnd(content, thoughtEnd + "</think>".length);
    if (content.startsWith("<answer>", answer)) return answer + "<answer>".length;
    thoughtEnd = content.indexOf("</think>", answer);
  }
  return -1;
}

/** The first `[\d+,\s*\d+,\s*\d+,\s*\d+]` from `start` on. */
export function findIntegerBox(
  text: string,
  start = 0,
): { readonly box: readonly [number, number, number, number]; readonly end: number } | undefined {
  for (let at = text.indexOf("[", start); at >= 0; at = text.indexOf("[", at + 1)) {
    const numbers: number[] = [];
    let i = at + 1;
    while (numbers.length < 4) {
      const end = digitsEnd(text, i);
      if (end === i) break;
      numbers.push(Number(text.slice(i, end)));
      i = end;
      if (numbers.length === 4) break;
      if (text[i] !== ",") break;
      i = spaceEnd(text, i + 1);
    }
    if (numbers.length === 4 && text[i] === "]") {
      return { box: numbers as unknown as readonly [number, number, number, number], end: i + 1 };
    }
  }
  return undefined;
}
