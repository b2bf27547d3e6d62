import { VlmR1Error } from "@vlmr1/core";
import { averagePrecision, type ApBox } from "../detection/average-precision.ts";
import { cleanText } from "./answers.ts";
import { iou, toNumber, toNumbers } from "./grounding.ts";
import { pythonJson, type PythonValue } from "./python-json.ts";
import { pythonStrip } from "./python-text.ts";
import { findAll, findFirst, lastAnswer } from "./python-text.ts";

/**
 * `od_reward` (`od_ap`, or `od_ap50` with `threshold50`): mean average precision of the last answer's
 * boxes.
 *
 * Bugs kept: boxes whose label the truth does not have are dropped, so they cost nothing; all scores are 1,
 * so the order of the list decides; strings must be exactly `None` to agree that nothing is there. Fixed
 * twin: `mapReward`, better `odLengthReward`.
 *
 * @throws VlmR1Error `invalid-data` when the solution is malformed.
 */
export function odReward(content: string, solution: string, { threshold50 = false } = {}): number {
  return withAnswers(content, solution, (answer, truth) => mapReward(answer, truth, { threshold50 }));
}

/** `od_ap50`: {@link odReward} at IoU 0.5 alone. Fixed twin: `ap50Reward`. */
export function odAp50Reward(content: string, solution: string): number {
  return odReward(content, solution, { threshold50: true });
}

/**
 * `odLength`: mAP times min(1, true boxes / written boxes), VLM-R1's answer to reward hacking. Bugs kept:
 * those of {@link odReward}, but here surplus boxes cost. Fixed twin: `odLengthReward`.
 *
 * @throws VlmR1Error `invalid-data` when the solution is malformed.
 */
export function odLengthReward(content: string, solution: string): number {
  return withAnswers(content, solution, (answer, truth) => mapReward(answer, truth, { lengthPenalty: true }));
}

function withAnswers(
  content: string,
  solution: string,
  score: (answer: string, truth: string) => number,
): number {
  const answer = lastAnswer(content);
  if (answer === undefined) return 0;
  const found = findFirst(solution, "<answer>", "</answer>");
  if (found === undefined) throw badSolution(solution, "an <answer>");
  const truth = pythonStrip(found);
  return truth === "None" && answer === "None" ? 1 : score(answer, truth);
}

/**
 * `map_reward` (`map`): mAP of the last ```` ```json ```` block of the text against the solution's; 1 when
 * neither has boxes.
 *
 * Bugs kept: those of {@link odReward}; JSON that is not perfect counts as no boxes, which is right when
 * the truth is empty. Fixed twin: `mapReward`.
 *
 * @throws VlmR1Error `invalid-data` when the solution's JSON is malformed.
 */
export function mapReward(
  content: string,
  solution: string,
  { lengthPenalty = false, threshold50 = false } = {},
): number {
  const truths = truthsOf(findAll(solution, "```json", "```").at(-1), solution);
  const written = listOf(findAll(content, "```json", "```").at(-1)) ?? [];
  let reward = written.length === 0 && truths.length === 0 ? 1 : 0;
  if (written.length > 0 && truths.length > 0) reward = calculateMap(written, truths, threshold50);
  const surplus = lengthPenalty && written.length > truths.length;
  return surplus ? reward * (truths.length / written.length) : reward;
}

/** `calculate_map`: the boxes of one image through pycocotools. */
function calculateMap(
  written: readonly PythonValue[],
  truths: readonly ApBox[],
  threshold50: boolean,
): number {
  const labels = new Set(truths.map((truth) => truth.label));
  const boxes = written.map(apBox).filter((box) => box !== undefined && labels.has(box.label)) as ApBox[];
  return boxes.length === 0 ? 0 : averagePrecision(boxes, truths, threshold50 ? [0.5] : undefined);
}

/**
 * `weighted_sum`: 1 when both say none, else {@link detectionScore}. Fixed twin: `matchingReward`.
 *
 * @throws VlmR1Error as {@link detectionScore}.
 */
export function weightedSumReward(content: string, solution: string): number {
  const answer = cleanText(content);
  const truth = cleanText(solution);
  if (truth === "none") return answer === "none" ? 1 : 0;
  return detectionScore(answer, truth);
}

/**
 * `detection_score`: 0.7 x position + 0.3 x completeness of greedily matched boxes.
 *
 * Bugs kept: the text goes through {@link cleanText} first, a matched box without a label takes the label
 * of the pair before it, and the label part has weight 0. Where the first matched box has no label, Python
 * crashes with UnboundLocalError. Fixed twin: `matchingReward`.
 *
 * @throws VlmR1Error `unsupported` where the published code crashes, `invalid-data` when the solution's
 * JSON is malformed.
 */
export function detectionScore(content: string, solution: string): number {
  const written = listOf(findFirst(cleanText(content), "```json", "```")) ?? [];
  const truthJson = findFirst(cleanText(solution), "```json", "```");
  const truths = truthJson === undefined || pythonStrip(truthJson) === "" ? [] : listOf(truthJson);
  if (!truths) throw badSolution(solution, "a JSON list in its ```json block");
  if (truths.length === 0) return written.length === 0 ? 1 : 0;
  if (written.length === 0) return 0;
  const matches = greedyMatches(written, truths);
  let position = 0;
  let label: string | undefined;
  for (const { row, column, overlap } of matches) {
    label = labelOf(written[row]) ?? label;
    if (label === undefined) {
      throw new VlmR1Error(
        "unsupported",
        "The published detection_score crashes here (UnboundLocalError): the first matched box has no label.",
      );
    }
    if (label === (labelOf(truths[column]) ?? "")) position += overlap;
  }
  const missed = (truths.length - matches.length) / truths.length;
  const false_ = (written.length - matches.length) / written.length;
  return (0.7 * (position / truths.length) + 0.3 * (1 - (missed + false_) / 2)) / (0.7 + 0 + 0.3);
}

interface Match {
  readonly row: number;
  readonly column: number;
  readonly overlap: number;
}

/**
 * Pairs in the order in which taking the globally largest IoU finds them: by IoU, then row, then column;
 * down to 0.5.
 */
function greedyMatches(written: readonly PythonValue[], truths: readonly PythonValue[]): Match[] {
  const candidates: Match[] = [];
  const columns = truths.map(boxOf);
  written.forEach((item, row) => {
    const box = boxOf(item);
    if (!box) return;
    columns.forEach((truth, column) => {
      const overlap = truth ? iou(box, truth) : 0;
      if (overlap >= 0.5) candidates.push({ row, column, overlap });
    });
  });
  candidates.sort((a, b) => b.overlap - a.overlap || a.row - b.row || a.column - b.column);
  const rows = new Set<number>();
  const taken = new Set<number>();
  return candidates.filter(({ row, column }) => {
    if (rows.has(row) || taken.has(column)) return false;
    rows.add(row);
    taken.add(column);
    return true;
  });
}

/**
 * What iterating over parsed JSON gives: the items of a list, the keys of an object, the characters of a
 * string; else undefined.
 */
function listOf(json: string | undefined): readonly PythonValue[] | undefined {
  if (json === undefined || pythonStrip(json) === "") return undefined;
  const value = pythonJson(json);
  if (typeof value === "string") return Array.from(value);
  if (Array.isArray(value)) return value as readonly PythonValue[];
  return value instanceof Map ? [...(value as ReadonlyMap<string, PythonValue>).keys()] : undefined;
}

function truthsOf(json: string | undefined, solution: string): ApBox[] {
  if (json === undefined || pythonStrip(json) === "") return [];
  const truths = listOf(json)?.map(apBox);
  if (!truths?.every((truth) => truth !== undefined))
    throw badSolution(solution, "a JSON list of { bbox_2d, label }");
  return truths;
}

/**
 * A box as calculate_map hands it to pycocotools, or undefined where Python raises and the item is dropped.
 */
function apBox(item: PythonValue): ApBox | undefined {
  const box = boxOf(item);
  const label =
    item instanceof Map ? hashKey((item as ReadonlyMap<string, PythonValue>).get("label")) : undefined;
  return box && label !== undefined ? { box, label } : undefined;
}

function boxOf(item: PythonValue | undefined): readonly [number, number, number, number] | undefined {
  if (!(item instanceof Map)) return undefined;
  const value = (item as ReadonlyMap<string, PythonValue>).get("bbox_2d");
  const numbers = Array.isArray(value) ? toNumbers((value as readonly PythonValue[]).slice(0, 4)) : undefined;
  return numbers?.length === 4
    ? (numbers as unknown as readonly [number, number, number, number])
    : undefined;
}

function labelOf(item: PythonValue | undefined): string | undefined {
  const label = item instanceof Map ? (item as ReadonlyMap<string, PythonValue>).get("label") : undefined;
  return typeof label === "string" ? label.toLowerCase() : undefined;
}

/**
 * A dictionary key: strings by themselves, numbers and truth values by value, null; nothing else is
 * hashable.
 */
function hashKey(value: PythonValue | undefined): string | undefined {
  if (typeof value === "string") return `s${value}`;
  if (value === null) return "null";
  const number = toNumber(value);
  return number === undefined ? undefined : `n${number}`;
}

function badSolution(solution: string, wanted: string): VlmR1Error {
  return new VlmR1Error(
    "invalid-data",
    `The solution must hold ${wanted}, got ${JSON.stringify(solution.slice(0, 200))}.`,
  );
}
