/**
 * A binary mask as run lengths, column by column from the upper left corner; the first run counts zeros (and may be 0).
 */
export interface Runs {
  readonly height: number;
  readonly width: number;
  /** The runs add up to height x width. */
  readonly counts: Uint32Array;
}

/** The run lengths of a mask given row by row, [height, width]; every value but 0 is foreground. */
export function runsOfMask(mask: ArrayLike<number>, height: number, width: number): Runs {
  const counts: number[] = [];
  let run = 0;
  let inside = false;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if ((mask[y * width + x] !== 0) !== inside) {
        counts.push(run);
        run = 0;
        inside = !inside;
      }
      run++;
    }
  }
  counts.push(run);
  return { height, width, counts: Uint32Array.from(counts) };
}

/** The mask of run lengths, row by row: [height, width], 0 and 1. */
export function maskOfRuns(runs: Runs): Uint8Array {
  const { height, width, counts } = runs;
  const mask = new Uint8Array(height * width);
  let end = 0;
  for (let i = 0; i < counts.length; i++) {
    const start = end;
    end += counts[i] as number;
    if (i % 2 === 0) continue;
    for (let pixel = start; pixel < end; pixel++) {
      mask[(pixel % height) * width + Math.floor(pixel / height)] = 1;
    }
  }
  return mask;
}

/** Foreground pixels. */
export function runsArea(runs: Runs): number {
  let area = 0;
  for (let i = 1; i < runs.counts.length; i += 2) area += runs.counts[i] as number;
  return area;
}

/** The tightest box [x, y, width, height] around the foreground, all 0 when there is none. */
export function runsBox({ height, counts }: Runs): [x: number, y: number, width: number, height: number] {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  let end = 0;
  for (let i = 0; i < counts.length; i++) {
    const start = end;
    end += counts[i] as number;
    if (i % 2 === 0 || end === start) continue;
    const firstColumn = Math.floor(start / height);
    const lastColumn = Math.floor((end - 1) / height);
    left = Math.min(left, firstColumn);
    right = Math.max(right, lastColumn);
    if (firstColumn < lastColumn) {
      // The run goes over a column's lower end: it touches the first and the last row.
      top = 0;
      bottom = height - 1;
    } else {
      top = Math.min(top, start - firstColumn * height);
      bottom = Math.max(bottom, end - 1 - firstColumn * height);
    }
  }
  return right < 0 ? [0, 0, 0, 0] : [left, top, right - left + 1, bottom - top + 1];
}

/** The union (or the intersection) of two masks of one size. */
export function mergeRuns(a: Runs, b: Runs, intersect: boolean): Runs {
  const counts: number[] = [];
  let [i, j] = [1, 1];
  let [left, right] = [a.counts[0] ?? 0, b.counts[0] ?? 0]; // what remains of the current runs
  let [inA, inB, inside] = [false, false, false];
  let run = 0;
  for (let remaining = true; remaining;) {
    const step = Math.min(left, right);
    run += step;
    left -= step;
    if (left === 0 && i < a.counts.length) {
      left = a.counts[i++] as number;
      inA = !inA;
    }
    right -= step;
    if (right === 0 && j < b.counts.length) {
      right = b.counts[j++] as number;
      inB = !inB;
    }
    remaining = left + right > 0;
    const now = intersect ? inA && inB : inA || inB;
    if (now !== inside || !remaining) {
      counts.push(run);
      run = 0;
    }
    inside = now;
  }
  return { height: a.height, width: a.width, counts: Uint32Array.from(counts) };
}

/**
 * Intersection over union of two masks; with `crowd`, over the area of the first (a detection may cover any part of a
 * crowd).
 *
 * 0 when they do not touch, and -1 when their sizes differ, as `rleIou` of maskApi.c has it.
 */
export function runsIou(detection: Runs, truth: Runs, crowd: boolean): number {
  if (detection.height !== truth.height || detection.width !== truth.width) return -1;
  const a = detection.counts;
  const b = truth.counts;
  let [i, j] = [1, 1];
  let [left, right] = [a[0] ?? 0, b[0] ?? 0];
  let [inA, inB] = [false, false];
  let [intersection, union] = [0, 0];
  for (let remaining = true; remaining;) {
    const step = left < right ? left : right;
    if (inA || inB) {
      union += step;
      if (inA && inB) intersection += step;
    }
    left -= step;
    if (left === 0 && i < a.length) {
      left = a[i++] as number;
      inA = !inA;
    }
    right -= step;
    if (right === 0 && j < b.length) {
      right = b[j++] as number;
      inB = !inB;
    }
    remaining = left + right > 0;
  }
  if (intersection === 0) return 0;
  return intersection / (crowd ? runsArea(detection) : union);
}

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
