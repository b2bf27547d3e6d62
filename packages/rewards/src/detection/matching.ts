import { type RewardFunction, VlmR1Error } from "@vlmr1/core";
import { boxIou } from "@vlmr1/eval";
import { atStep, type StepValue } from "../combine.ts";
import type { ObjectsTarget } from "../target.ts";
import { type DetectionCase, type ObjectReading, readCase } from "./objects.ts";

/** A written and a true object that belong together, by their indices. */
export interface Pair {
  readonly written: number;
  readonly truth: number;
  readonly iou: number;
}

/**
 * Pairs boxes one to one by taking the largest IoU that is left, down to `threshold`; labels are not looked
 * at. Of equal IoUs the pair that was written first comes first.
 */
export function greedyPairs({ written, truths }: DetectionCase, threshold: number): Pair[] {
  const candidates: Pair[] = [];
  written.forEach((object, i) => {
    truths.forEach((truth, j) => {
      const iou = boxIou(object.box, truth.box);
      if (iou >= threshold && iou > 0) candidates.push({ written: i, truth: j, iou });
    });
  });
  candidates.sort((a, b) => b.iou - a.iou || a.written - b.written || a.truth - b.truth);
  const takenWritten = new Set<number>();
  const takenTruths = new Set<number>();
  return candidates.filter(({ written: i, truth: j }) => {
    if (takenWritten.has(i) || takenTruths.has(j)) return false;
    takenWritten.add(i);
    takenTruths.add(j);
    return true;
  });
}

/** What the parts of {@link matchingReward} weigh. */
export interface MatchingOptions extends ObjectReading {
  /** Smallest IoU of a pair. Default 0.5. */
  readonly threshold?: StepValue;
  /** Mean IoU over the true objects, 0 for missed ones and wrong labels. Default 0.7. */
  readonly position?: number;
  /** Share of the true objects found with the right label. Default 0. */
  readonly label?: number;
  /** 1 minus the mean of the shares of missed and of surplus boxes. Default 0.3. */
  readonly completeness?: number;
}

/**
 * Position, labels and completeness of greedily paired boxes, as a weighted mean, 0..1.
 *
 * VLM-R1's `weighted_sum` without its bugs: standard IoU, a box without a label is a wrong label.
 *
 * @throws VlmR1Error `invalid-argument` for weights that are negative or all 0.
 */
export function matchingReward({
  threshold = 0.5,
  position = 0.7,
  label = 0,
  completeness = 0.3,
  ...reading
}: MatchingOptions = {}): RewardFunction<ObjectsTarget> {
  const total = position + label + completeness;
  if (!(position >= 0 && label >= 0 && completeness >= 0 && total > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `matchingReward: weights must not be negative and not all 0, got ${position}, ${label}, ${completeness}.`,
    );
  }
  return (input) => {
    const found = readCase(input, reading);
    if (typeof found === "number") return found;
    const { written, truths } = found;
    const pairs = greedyPairs(found, atStep(threshold, input.step));
    const right = pairs.filter((pair) => written[pair.written]?.label === truths[pair.truth]?.label);
    const overlap = right.reduce((sum, pair) => sum + pair.iou, 0) / truths.length;
    const missed = 1 - pairs.length / truths.length;
    const surplus = 1 - pairs.length / written.length;
    const whole = 1 - (missed + surplus) / 2;
    return (position * overlap + label * (right.length / truths.length) + completeness * whole) / total;
  };
}

/** What the parts of {@link hungarianF1Reward} weigh. */
export interface HungarianF1Options extends ObjectReading {
  /** A pair counts as found from this IoU on. Default 0.5. */
  readonly threshold?: StepValue;
  /** Weight of F1, the harmonic mean of precision and recall. Default 1. */
  readonly count?: number;
  /** Weight of the mean IoU over the true objects, in which missed ones count 0. Default 1. */
  readonly location?: number;
}

/**
 * F1 and location of the best one-to-one assignment of written to true boxes (largest total IoU of equal
 * labels), as a weighted mean, 0..1: order does not matter, and both surplus and missing boxes cost.
 *
 * Perception-R1 (Yu et al. 2025, arXiv 2504.07954); its parts were published as text, the code covers
 * grounding alone.
 *
 * @throws VlmR1Error `invalid-argument` for weights that are negative or both 0.
 */
export function hungarianF1Reward({
  threshold = 0.5,
  count = 1,
  location = 1,
  ...reading
}: HungarianF1Options = {}): RewardFunction<ObjectsTarget> {
  if (!(count >= 0 && location >= 0 && count + location > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `hungarianF1Reward: weights must not be negative and not both 0, got count ${count} and location ${location}.`,
    );
  }
  return (input) => {
    const found = readCase(input, reading);
    if (typeof found === "number") return found;
    const { written, truths } = found;
    const quality = truths.map((truth) =>
      written.map((object) => (object.label === truth.label ? boxIou(object.box, truth.box) : 0)),
    );
    const columns = assign(quality.map((row) => row.map((value) => -value)));
    const overlaps = columns.map((column, row) => (column < 0 ? 0 : (quality[row]?.[column] as number)));
    const limit = atStep(threshold, input.step);
    const hits = overlaps.filter((overlap) => overlap >= limit && overlap > 0).length;
    const f1 = (2 * hits) / (written.length + truths.length);
    const mean = overlaps.reduce((sum, overlap) => sum + overlap, 0) / truths.length;
    return (count * f1 + location * mean) / (count + location);
  };
}

/**
 * The one-to-one assignment of rows to columns with the smallest total cost: `result[row]` is its column,
 * or -1 for the rows that are left over when there are more rows than columns. Costs are finite.
 *
 * The Hungarian method as shortest augmenting paths (Jonker, Volgenant 1987): O(min(n, m)^2 max(n, m));
 * equal to SciPy's `linear_sum_assignment` in total cost.
 */
export function assign(costs: readonly (readonly number[])[]): number[] {
  const rows = costs.length;
  const columns = costs[0]?.length ?? 0;
  if (rows <= columns) return assignRows(rows, columns, (row, column) => costs[row]?.[column] as number);
  const transposed = assignRows(columns, rows, (row, column) => costs[column]?.[row] as number);
  const result = new Array<number>(rows).fill(-1);
  transposed.forEach((row, column) => (result[row] = column));
  return result;
}

/** Rows <= columns. Numbering in the potentials starts at 1; column 0 is where a new row enters. */
function assignRows(rows: number, columns: number, cost: (row: number, column: number) => number): number[] {
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  const previous = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    rowOf[0] = row;
    const distance = new Float64Array(columns + 1).fill(Infinity);
    const visited = new Uint8Array(columns + 1);
    let column = 0;
    do {
      visited[column] = 1;
      const current = rowOf[column] as number;
      let delta = Infinity;
      let next = 0;
      for (let j = 1; j <= columns; j++) {
        if (visited[j] === 1) continue;
        const reduced =
          cost(current - 1, j - 1) - (rowPotential[current] as number) - (columnPotential[j] as number);
        if (reduced < (distance[j] as number)) {
          distance[j] = reduced;
          previous[j] = column;
        }
        if ((distance[j] as number) < delta) {
          delta = distance[j] as number;
          next = j;
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (visited[j] === 1) {
          rowPotential[rowOf[j] as number] = (rowPotential[rowOf[j] as number] as number) + delta;
          columnPotential[j] = (columnPotential[j] as number) - delta;
        } else distance[j] = (distance[j] as number) - delta;
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      const before = previous[column] as number;
      rowOf[column] = rowOf[before] as number;
      column = before;
    }
  }
  const result = new Array<number>(rows).fill(-1);
  for (let j = 1; j <= columns; j++) if (rowOf[j] !== 0) result[(rowOf[j] as number) - 1] = j - 1;
  return result;
}
