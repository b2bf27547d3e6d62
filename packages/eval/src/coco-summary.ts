import { recallLevels, type CocoCurves, type CurveAxes } from "./coco-curves.ts";
import { numpyMean } from "./numpy-mean.ts";

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
