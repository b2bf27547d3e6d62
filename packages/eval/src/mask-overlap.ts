import { runsBox, runsIou, type Runs } from "./rle-runs.ts";

/** A mask with the tightest box around it. */
export interface BoxedRuns {
  readonly runs: Runs;
  /** x, y, width, height */
  readonly box: Float64Array;
}

/** Finds the box of a mask once, for all its comparisons. */
export function boxedRuns(runs: Runs): BoxedRuns {
  return { runs, box: Float64Array.from(runsBox(runs)) };
}

/**
 * `rleIou` of maskApi.c: run lengths are only walked where the boxes overlap, so that sizes are only compared there.
 */
export function maskIou(detection: BoxedRuns, truth: BoxedRuns, crowd: boolean): number {
  if (xywhIou(detection.box, 0, truth.box, 0, false) === 0) return 0;
  return runsIou(detection.runs, truth.runs, crowd);
}

/**
 * `bbIou` of maskApi.c for two boxes [x, y, width, height] that start at `i` and `j`; for a crowd, over the
 * detection's area.
 */
export function xywhIou(a: Float64Array, i: number, b: Float64Array, j: number, crowd: boolean): number {
  const [x1, y1, w1, h1] = [a[i] as number, a[i + 1] as number, a[i + 2] as number, a[i + 3] as number];
  const [x2, y2, w2, h2] = [b[j] as number, b[j + 1] as number, b[j + 2] as number, b[j + 3] as number];
  const width = Math.min(w1 + x1, w2 + x2) - Math.max(x1, x2);
  if (width <= 0) return 0;
  const height = Math.min(h1 + y1, h2 + y2) - Math.max(y1, y2);
  if (height <= 0) return 0;
  const intersection = width * height;
  return intersection / (crowd ? w1 * h1 : w1 * h1 + w2 * h2 - intersection);
}
