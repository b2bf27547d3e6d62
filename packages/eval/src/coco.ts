import { VlmR1Error } from "@vlmr1/core";
import { tabulateAnnotations, type AnnotationTable } from "./annotation-table.ts";
import { accumulateCurves, type CocoCurves, type CurveAxes } from "./coco-curves.ts";
import type { CocoFile, CocoResult } from "./coco-format.ts";
import { layOut, type CocoLayout } from "./coco-layout.ts";
import { matchDetections, maxThresholds, type AreaRange, type CocoMatches } from "./coco-match.ts";
import { cocoOverlap, type IouType } from "./coco-overlap.ts";
import { areaNames, statsOf, summarizeCurves, type CocoSummary } from "./coco-summary.ts";
import { tabulateResults, type ResultTable } from "./result-table.ts";

/** How to evaluate; the defaults are pycocotools'. */
export interface CocoOptions {
  /** Compare boxes or masks. Default "bbox". */
  readonly iouType?: IouType;
  /** At least three limits on the detections per image and category, for AR and AP. Default [1, 10, 100]. */
  readonly maxDets?: readonly number[];
  /** false: all categories count as one. Default true. */
  readonly useCats?: boolean;
  /** IoU thresholds. Default 0.5, 0.55, ..., 0.95. */
  readonly iouThresholds?: readonly number[];
  /**
   * Bounds (inclusive) on the area of objects, in square pixels. Default COCO's: small below 32^2, large above 96^2.
   */
  readonly areaRanges?: Readonly<Record<(typeof areaNames)[number], AreaRange>>;
  /**
   * What a match with the annotation of id 0 is worth. pycocotools stores matches by id and takes 0 for "no match",
   * so that such a detection is wrong ("unmatched", the default: the numbers that everybody publishes); "matched"
   * counts it as right.
   */
  readonly zeroId?: "unmatched" | "matched";
}

/** The outcome of a COCO evaluation. */
export interface CocoEvaluation {
  readonly summary: CocoSummary;
  /**
   * The twelve numbers in pycocotools' order: AP, AP50, AP75, AP small, medium, large, AR at 1, 10, 100, AR small,
   * medium, large.
   */
  readonly stats: readonly number[];
  /** The same for each category, by ascending id; empty with `useCats: false`. */
  readonly categories: readonly CocoCategoryResult[];
  readonly curves: CocoCurves;
  readonly axes: CurveAxes;
  /** The IoU thresholds along the first axis of the curves. */
  readonly thresholds: readonly number[];
  readonly images: number;
  readonly detections: number;
  /** Detections whose category the annotations do not list. They count for nothing, as in pycocotools. */
  readonly unknownCategory: number;
}

/** The numbers of one category. */
export interface CocoCategoryResult {
  readonly id: number;
  readonly name: string;
  readonly summary: CocoSummary;
  readonly stats: readonly number[];
  /** Truths to be found, crowds not counted. */
  readonly truths: number;
}

/** numpy.linspace(0.5, 0.95, 10), bit for bit. */
const defaultThresholds = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95];

const defaultAreaRanges: Readonly<Record<(typeof areaNames)[number], AreaRange>> = {
  all: [0, 1e10],
  small: [0, 32 ** 2],
  medium: [32 ** 2, 96 ** 2],
  large: [96 ** 2, 1e10],
};

/**
 * COCO average precision and recall, equal to pycocotools' COCOeval.
 *
 * Takes parsed JSON or tables read from files by `readCocoAnnotations` and `readCocoResults`.
 * Definition: cocoapi `cocoeval.py` and https://cocodataset.org/#detection-eval.
 *
 * @throws VlmR1Error `invalid-data` for malformed records (naming source, record, field and value),
 * `invalid-argument` for options.
 */
export function evaluateCoco(
  input: {
    readonly annotations: CocoFile | AnnotationTable;
    readonly results: readonly CocoResult[] | ResultTable;
  } & CocoOptions,
): CocoEvaluation {
  const settings = resolve(input);
  const masks = settings.iouType === "segm";
  const annotations =
    "kind" in input.annotations ? input.annotations : tabulateAnnotations(input.annotations, masks);
  const results = "kind" in input.results ? input.results : tabulateResults(input.results, masks);
  const layout = layOut(annotations, results, settings.useCats);
  const overlap = cocoOverlap(annotations, results, settings.iouType);
  const matches = matchDetections(layout, annotations, overlap, settings);
  const axes: CurveAxes = {
    thresholds: settings.thresholds.length,
    categories: layout.categoryIds.length,
    areas: areaNames.length,
    maxDets: settings.maxDets,
  };
  const curves = accumulateCurves(matches, layout.categoryStarts, axes);
  const summary = summarizeCurves(curves, axes, settings.thresholds);
  return {
    summary,
    stats: statsOf(summary),
    categories: perCategory(annotations, layout, matches, curves, axes, settings.thresholds),
    curves,
    axes,
    thresholds: settings.thresholds,
    images: layout.imageCount,
    detections: results.length,
    unknownCategory: layout.unknownCategory,
  };
}

function perCategory(
  annotations: AnnotationTable,
  layout: CocoLayout,
  matches: CocoMatches,
  curves: CocoCurves,
  axes: CurveAxes,
  thresholds: readonly number[],
): CocoCategoryResult[] {
  return layout.categoryIds.flatMap((id, k) => {
    if (id === undefined) return [];
    const summary = summarizeCurves(curves, axes, thresholds, k);
    const truths = matches.truthCounts[k * axes.areas] as number;
    return [{ id, name: annotations.categories.get(id) as string, summary, stats: statsOf(summary), truths }];
  });
}

function resolve(options: CocoOptions) {
  const maxDets = [...(options.maxDets ?? [1, 10, 100])].sort((a, b) => a - b);
  if (maxDets.length < 3 || !maxDets.every((limit) => Number.isInteger(limit) && limit > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `maxDets must be at least three positive whole numbers (for AR at the first, second and third), got [${options.maxDets?.join(", ")}].`,
    );
  }
  const thresholds = options.iouThresholds ?? defaultThresholds;
  if (
    thresholds.length === 0 ||
    thresholds.length > maxThresholds ||
    !thresholds.every((value) => value >= 0 && value <= 1)
  ) {
    throw new VlmR1Error(
      "invalid-argument",
      `iouThresholds must be 1 to ${maxThresholds} numbers in 0..1, got [${thresholds.join(", ")}].`,
    );
  }
  const iouType = options.iouType ?? "bbox";
  if (iouType !== "bbox" && iouType !== "segm") {
    throw new VlmR1Error(
      "invalid-argument",
      `iouType must be "bbox" or "segm", got ${JSON.stringify(iouType)}.`,
    );
  }
  const ranges = options.areaRanges ?? defaultAreaRanges;
  return {
    iouType,
    maxDets,
    thresholds,
    useCats: options.useCats ?? true,
    areaRanges: areaNames.map((name) => ranges[name]),
    maxDetections: maxDets.at(-1) as number,
    zeroIdUnmatched: (options.zeroId ?? "unmatched") === "unmatched",
  };
}
