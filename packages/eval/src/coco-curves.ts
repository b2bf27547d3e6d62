import type { CocoMatches } from "./coco-match.ts";

/**
 * 2^-52, `numpy.spacing(1)`: keeps a precision of nothing over nothing at 0. It makes a perfect single box 1 - 2^-52.
 */
const spacing = Number.EPSILON;

/** The 101 recall levels 0, 0.01, ..., 1 that precision is read at. */
export const recallLevels: readonly number[] = Array.from({ length: 101 }, (_, i) => i * 0.01);

/** Precision and recall of one evaluation. Entries of categories without truths are -1. */
export interface CocoCurves {
  /** [thresholds, 101 recall levels, categories, areas, maxDets] */
  readonly precision: Float64Array;
  /** [thresholds, categories, areas, maxDets] */
  readonly recall: Float64Array;
}

/** Extents of the axes of {@link CocoCurves}. */
export interface CurveAxes {
  readonly thresholds: number;
  readonly categories: number;
  readonly areas: number;
  readonly maxDets: readonly number[];
}

/**
 * Precision-recall curves from verdicts: `COCOeval.accumulate` of pycocotools.
 *
 * @param categoryStarts [categories + 1]: where each category's verdicts start.
 */
export function accumulateCurves(
  matches: CocoMatches,
  categoryStarts: Int32Array,
  axes: CurveAxes,
): CocoCurves {
  const { thresholds, categories, areas, maxDets } = axes;
  const precision = new Float64Array(
    thresholds * recallLevels.length * categories * areas * maxDets.length,
  ).fill(-1);
  const recall = new Float64Array(thresholds * categories * areas * maxDets.length).fill(-1);
  for (let k = 0; k < categories; k++) {
    const range = [categoryStarts[k] as number, categoryStarts[k + 1] as number] as const;
    for (let a = 0; a < areas; a++) {
      const truths = matches.truthCounts[k * areas + a] as number;
      if (truths === 0) continue;
      maxDets.forEach((maxDet, m) => {
        const hits = precisionAtHits(matches, range, a, axes, maxDet, truths);
        for (let t = 0; t < thresholds; t++) {
          const found = hits.counts[t] as number;
          recall[((t * categories + k) * areas + a) * maxDets.length + m] = found / truths;
          const curve = hits.precision.subarray(t * truths, t * truths + found);
          const stride = categories * areas * maxDets.length;
          const at = t * recallLevels.length * stride + (k * areas + a) * maxDets.length + m;
          readPrecision(curve, truths, precision, at, stride);
        }
      });
    }
  }
  return { precision, recall };
}

interface Hits {
  /** Right detections at each threshold. */
  readonly counts: Int32Array;
  /** [thresholds, truths]: the precision right after each hit. */
  readonly precision: Float64Array;
}

/** Precision changes between hits too, but only downwards: hits are all that the interpolated curve depends on. */
function precisionAtHits(
  matches: CocoMatches,
  [first, last]: readonly [number, number],
  area: number,
  { thresholds }: CurveAxes,
  maxDet: number,
  truths: number,
): Hits {
  const { right, ignored, places } = matches;
  const all = 0xffffffff;
  const counts = new Int32Array(thresholds);
  const precision = new Float64Array(thresholds * truths);
  let seen = 0;
  const ignoredSoFar = new Int32Array(thresholds);
  for (let i = first; i < last; i++) {
    if ((places[i] as number) >= maxDet) continue;
    const at = area * places.length + i;
    const [hits, skips] = [right[at] as number, ignored[at] as number];
    if (skips === all) continue;
    seen++;
    if (hits === 0 && skips === 0) continue; // wrong at every threshold: the commonest case
    for (let t = 0; t < thresholds; t++) {
      if ((skips >>> t) & 1) ignoredSoFar[t] = (ignoredSoFar[t] as number) + 1;
      if (((hits >>> t) & 1) === 0) continue;
      const found = (counts[t] as number) + 1;
      // Right and wrong detections so far, as numpy adds them: whole numbers, then the smallest step.
      precision[t * truths + found - 1] = found / (seen - (ignoredSoFar[t] as number) + spacing);
      counts[t] = found;
    }
  }
  return { counts, precision };
}

/** Makes precision fall with recall, then reads it at the 101 levels; levels that are not reached get 0. */
function readPrecision(
  curve: Float64Array,
  truths: number,
  target: Float64Array,
  at: number,
  stride: number,
): void {
  for (let i = curve.length - 1; i > 0; i--) {
    if ((curve[i] as number) > (curve[i - 1] as number)) curve[i - 1] = curve[i] as number;
  }
  let hit = 0;
  recallLevels.forEach((level, r) => {
    while (hit < curve.length && (hit + 1) / truths < level) hit++;
    target[at + r * stride] = hit < curve.length ? (curve[hit] as number) : 0;
  });
}
