import { verdict, type CocoMatches } from "./coco-match.ts";

/** 2^-52, `numpy.spacing(1)`: keeps a precision of nothing over nothing at 0. It makes a perfect single box 1 - 2^-52. */
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
 * @param ranking detections by category and descending score; @param categoryOf the category index of each detection.
 */
export function accumulateCurves(
  matches: CocoMatches,
  ranking: Int32Array,
  categoryOf: (detection: number) => number,
  axes: CurveAxes,
): CocoCurves {
  const { thresholds, categories, areas, maxDets } = axes;
  const precision = new Float64Array(
    thresholds * recallLevels.length * categories * areas * maxDets.length,
  ).fill(-1);
  const recall = new Float64Array(thresholds * categories * areas * maxDets.length).fill(-1);
  let first = 0;
  for (let k = 0; k < categories; k++) {
    let last = first;
    while (last < ranking.length && categoryOf(ranking[last] as number) === k) last++;
    const ranked = ranking.subarray(first, last);
    first = last;
    for (let a = 0; a < areas; a++) {
      const truths = matches.truthCounts[k * areas + a] as number;
      if (truths === 0) continue;
      maxDets.forEach((maxDet, m) => {
        const hits = precisionAtHits(matches, ranked, a, axes, maxDet, truths);
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
  { verdicts, ranks }: CocoMatches,
  ranked: Int32Array,
  area: number,
  { thresholds, areas }: CurveAxes,
  maxDet: number,
  truths: number,
): Hits {
  const counts = new Int32Array(thresholds);
  const misses = new Int32Array(thresholds);
  const precision = new Float64Array(thresholds * truths);
  for (let i = 0; i < ranked.length; i++) {
    const detection = ranked[i] as number;
    if ((ranks[detection] as number) >= maxDet) continue;
    const at = (detection * areas + area) * thresholds;
    for (let t = 0; t < thresholds; t++) {
      const judged = verdicts[at + t] as number;
      if (judged === verdict.wrong) {
        misses[t] = (misses[t] as number) + 1;
      } else if (judged === verdict.right) {
        const found = (counts[t] as number) + 1;
        precision[t * truths + found - 1] = found / ((misses[t] as number) + found + spacing);
        counts[t] = found;
      }
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
