import { VlmR1Error } from "@vlmr1/core";
import type { Runs } from "./runs.ts";

/** The boundary is drawn on a grid this much finer than the image. */
const scale = 5;
const maxBoundaryPoints = 2 ** 26;

/**
 * The mask of one polygon [x0, y0, x1, y1, …] in pixels, closed by itself.
 *
 * A literal port of `rleFrPoly` of cocoapi's maskApi.c: which pixels of the edge belong to the mask is defined by
 * that code alone.
 *
 * @throws VlmR1Error `limit` when the outline is longer than 2^26 fifths of a pixel.
 */
export function runsOfPolygon(xy: readonly number[], height: number, width: number): Runs {
  const { u, v } = drawBoundary(xy);
  const crossings = columnCrossings(u, v, height, width);
  return { height, width, counts: runsOfCrossings(crossings) };
}

/** The mask of a box [x, y, width, height]: the polygon of its corners, as `rleFrBbox` has it. */
export function runsOfXywh(xywh: readonly number[], height: number, width: number): Runs {
  const [left, top, boxWidth, boxHeight] = xywh as readonly [number, number, number, number];
  const [right, bottom] = [left + boxWidth, top + boxHeight];
  return runsOfPolygon([left, top, left, bottom, right, bottom, right, top], height, width);
}

/** Every point of the outline on the fine grid, in drawing order. */
function drawBoundary(xy: readonly number[]): { u: Int32Array; v: Int32Array } {
  const count = Math.floor(xy.length / 2);
  const x = new Float64Array(count + 1);
  const y = new Float64Array(count + 1);
  for (let j = 0; j < count; j++) {
    x[j] = Math.trunc(scale * (xy[j * 2] as number) + 0.5);
    y[j] = Math.trunc(scale * (xy[j * 2 + 1] as number) + 0.5);
  }
  x[count] = x[0] as number;
  y[count] = y[0] as number;
  let total = 0;
  for (let j = 0; j < count; j++) total += edgeLength(x, y, j) + 1;
  if (!(total <= maxBoundaryPoints)) {
    throw new VlmR1Error(
      "limit",
      `A polygon's outline is ${Math.ceil(total / scale)} pixels long, more than ${maxBoundaryPoints / scale}: ` +
        `its coordinates are pixels of the image.`,
    );
  }
  const u = new Int32Array(total);
  const v = new Int32Array(total);
  let next = 0;
  for (let j = 0; j < count; j++) next = drawEdge(x, y, j, u, v, next);
  return { u, v };
}

function edgeLength(x: Float64Array, y: Float64Array, j: number): number {
  const dx = Math.abs((x[j] as number) - (x[j + 1] as number));
  const dy = Math.abs((y[j] as number) - (y[j + 1] as number));
  return Math.max(dx, dy);
}

/**
 * Draws edge j from its start to its end. The slope is always taken upwards, so that both directions give the same
 * points.
 */
function drawEdge(
  x: Float64Array,
  y: Float64Array,
  j: number,
  u: Int32Array,
  v: Int32Array,
  first: number,
): number {
  let [xs, xe] = [x[j] as number, x[j + 1] as number];
  let [ys, ye] = [y[j] as number, y[j + 1] as number];
  const dx = Math.abs(xe - xs);
  const dy = Math.abs(ys - ye);
  const flat = dx >= dy;
  const flip = flat ? xs > xe : ys > ye;
  if (flip) {
    [xs, xe] = [xe, xs];
    [ys, ye] = [ye, ys];
  }
  const length = flat ? dx : dy;
  const slope = flat ? (ye - ys) / dx : (xe - xs) / dy;
  for (let d = 0; d <= length; d++) {
    const t = flip ? length - d : d;
    u[first + d] = flat ? t + xs : Math.trunc(xs + slope * t + 0.5);
    v[first + d] = flat ? Math.trunc(ys + slope * t + 0.5) : t + ys;
  }
  return first + length + 1;
}

/**
 * Where the outline crosses the middle of a pixel column: positions x * height + y, sorted, with the image's end as
 * the last.
 */
function columnCrossings(u: Int32Array, v: Int32Array, height: number, width: number): Uint32Array {
  const positions = new Uint32Array(u.length + 1);
  let count = 0;
  for (let j = 1; j < u.length; j++) {
    const [now, before] = [u[j] as number, u[j - 1] as number];
    if (now === before) continue;
    const x = ((now < before ? now : now - 1) + 0.5) / scale - 0.5;
    if (Math.floor(x) !== x || x < 0 || x > width - 1) continue;
    let y = (Math.min(v[j] as number, v[j - 1] as number) + 0.5) / scale - 0.5;
    y = Math.ceil(Math.min(Math.max(y, 0), height));
    positions[count++] = x * height + y;
  }
  positions[count++] = height * width;
  return positions.subarray(0, count).sort();
}

/** Differences of the sorted crossings; two crossings at one place cancel. */
function runsOfCrossings(crossings: Uint32Array): Uint32Array {
  const runs = new Uint32Array(crossings.length);
  let count = 0;
  let previous = 0;
  let cancel = false;
  for (let j = 0; j < crossings.length; j++) {
    const run = (crossings[j] as number) - previous;
    previous = crossings[j] as number;
    if (cancel) {
      runs[count - 1] = (runs[count - 1] as number) + run;
      cancel = false;
    } else if (j > 0 && run === 0) {
      cancel = true;
    } else {
      runs[count++] = run;
    }
  }
  return runs.slice(0, count);
}
