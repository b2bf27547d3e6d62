import type { CocoMatches } from "./match.ts";

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
 * @param copies [detections]: how often each verdict counts, for resamples of the images; without it, once.
 */
export function accumulateCurves(
  matches: CocoMatches,
  categoryStarts: Int32Array,
  axes: CurveAxes,
  copies?: Int32Array,
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
        const hits = precisionAtHits(matches, range, a, axes, maxDet, truths, copies);
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
  copies: Int32Array | undefined,
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
    for (let copy = copies === undefined ? 1 : (copies[i] as number); copy > 0; copy--) {
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

/** The names of the four area ranges, in the order of the axis. */
export const areaNames = ["all", "small", "medium", "large"] as const;

/**
 * COCO's twelve numbers, each 0..1, or -1 where there is no truth to find.
 *
 * AP is averaged over thresholds, recall levels and categories; AR is the mean over thresholds and categories of the
 * greatest recall.
 */
export interface CocoSummary {
  /** AP over all thresholds, with at most 100 detections (-1 when 100 is not one of `maxDets`, as in pycocotools). */
  readonly ap: number;
  readonly ap50: number;
  readonly ap75: number;
  readonly apSmall: number;
  readonly apMedium: number;
  readonly apLarge: number;
  /** AR with at most the first of `maxDets` detections (1 by default). */
  readonly ar1: number;
  /** AR with at most the second of `maxDets` detections (10 by default). */
  readonly ar10: number;
  /** AR with at most the third of `maxDets` detections (100 by default). */
  readonly ar100: number;
  readonly arSmall: number;
  readonly arMedium: number;
  readonly arLarge: number;
}

/** One of the twelve numbers: what it averages. */
interface Statistic {
  readonly name: keyof CocoSummary;
  readonly curve: "precision" | "recall";
  readonly threshold?: number;
  readonly area: number;
  /** A number of detections, or an index into `maxDets`. */
  readonly maxDet: { readonly limit: number } | { readonly index: 0 | 1 | 2 };
}

const statistics: readonly Statistic[] = [
  { name: "ap", curve: "precision", area: 0, maxDet: { limit: 100 } },
  { name: "ap50", curve: "precision", threshold: 0.5, area: 0, maxDet: { index: 2 } },
  { name: "ap75", curve: "precision", threshold: 0.75, area: 0, maxDet: { index: 2 } },
  { name: "apSmall", curve: "precision", area: 1, maxDet: { index: 2 } },
  { name: "apMedium", curve: "precision", area: 2, maxDet: { index: 2 } },
  { name: "apLarge", curve: "precision", area: 3, maxDet: { index: 2 } },
  { name: "ar1", curve: "recall", area: 0, maxDet: { index: 0 } },
  { name: "ar10", curve: "recall", area: 0, maxDet: { index: 1 } },
  { name: "ar100", curve: "recall", area: 0, maxDet: { index: 2 } },
  { name: "arSmall", curve: "recall", area: 1, maxDet: { index: 2 } },
  { name: "arMedium", curve: "recall", area: 2, maxDet: { index: 2 } },
  { name: "arLarge", curve: "recall", area: 3, maxDet: { index: 2 } },
];

/** The twelve numbers in pycocotools' order. */
export function statsOf(summary: CocoSummary): number[] {
  return statistics.map(({ name }) => summary[name]);
}

/** Averages the curves of all categories, or of the one at index `category`: `COCOeval.summarize` of pycocotools. */
export function summarizeCurves(
  curves: CocoCurves,
  axes: CurveAxes,
  thresholds: readonly number[],
  category?: number,
): CocoSummary {
  const entries = statistics.map((statistic) => {
    const values = select(curves[statistic.curve], statistic, axes, thresholds, category);
    return [statistic.name, values.length === 0 ? -1 : numpyMean(values)];
  });
  return Object.fromEntries(entries) as unknown as CocoSummary;
}

/** The entries that one number averages, without those of -1, in the order in which numpy adds them. */
function select(
  curve: Float64Array,
  { curve: kind, threshold, area, maxDet }: Statistic,
  { thresholds: T, categories: K, areas: A, maxDets }: CurveAxes,
  thresholds: readonly number[],
  category: number | undefined,
): Float64Array {
  const limit = "limit" in maxDet ? maxDet.limit : maxDets[maxDet.index];
  const R = kind === "precision" ? recallLevels.length : 1;
  const [firstCategory, lastCategory] = category === undefined ? [0, K] : [category, category + 1];
  const columns = maxDets.flatMap((value, m) => (value === limit ? [m] : []));
  const values = new Float64Array(T * R * (lastCategory - firstCategory) * columns.length);
  let count = 0;
  for (let t = 0; t < T; t++) {
    if (threshold !== undefined && thresholds[t] !== threshold) continue;
    for (let r = 0; r < R; r++) {
      for (let k = firstCategory; k < lastCategory; k++) {
        for (const m of columns) {
          const value = curve[(((t * R + r) * K + k) * A + area) * maxDets.length + m] as number;
          if (value > -1) values[count++] = value;
        }
      }
    }
  }
  return values.subarray(0, count);
}

/**
 * The mean as numpy computes it: pairwise summation in blocks of 128 with eight running sums, so that a mean of equal
 * numbers is equal to the last bit.
 */
export function numpyMean(values: Float64Array): number {
  return pairwiseSum(values, 0, values.length) / values.length;
}

function pairwiseSum(values: Float64Array, start: number, count: number): number {
  if (count < 8) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[start + i] as number;
    return sum;
  }
  if (count > 128) {
    let half = count >> 1;
    half -= half % 8;
    return pairwiseSum(values, start, half) + pairwiseSum(values, start + half, count - half);
  }
  const lanes = values.slice(start, start + 8);
  let i = 8;
  for (; i < count - (count % 8); i += 8) {
    for (let lane = 0; lane < 8; lane++) {
      lanes[lane] = (lanes[lane] as number) + (values[start + i + lane] as number);
    }
  }
  const [a, b, c, d, e, f, g, h] = lanes as unknown as readonly number[] & { length: 8 };
  let sum = add(add(a, b), add(c, d)) + add(add(e, f), add(g, h));
  for (; i < count; i++) sum += values[start + i] as number;
  return sum;
}

function add(a: number | undefined, b: number | undefined): number {
  return (a as number) + (b as number);
}
