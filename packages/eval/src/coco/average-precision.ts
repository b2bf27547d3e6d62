import { VlmR1Error, type Rng } from "@vlmr1/core";
import { percentiles, type MeanInterval } from "../statistics.ts";
import {
  accumulateCurves,
  areaNames,
  type CocoCurves,
  type CocoSummary,
  type CurveAxes,
  statsOf,
  summarizeCurves,
} from "./curves.ts";
import { type CocoLayout, layOut } from "./layout.ts";
import {
  type AreaRange,
  type CocoMatches,
  countResampledTruths,
  matchDetections,
  maxThresholds,
} from "./match.ts";
import { cocoOverlap, type IouType } from "./overlap.ts";
import {
  type CocoId,
  type AnnotationTable,
  type CocoFile,
  type CocoResult,
  type ResultTable,
  selectResults,
  tabulateAnnotations,
  tabulateResults,
} from "./tables.ts";
import { xywhIou } from "../mask/runs.ts";

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
  readonly id: CocoId;
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
  const { annotations, results, layout, matches, axes } = matched(input, settings);
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

/** How to resample the images of a COCO evaluation. */
export interface CocoBootstrapOptions {
  /** Where the resamples come from. */
  readonly rng: Rng;
  /** Resamples drawn. Default 200. */
  readonly resamples?: number;
  /** Share of resampled values inside the intervals. Default 0.95. */
  readonly level?: number;
}

/**
 * Percentile bootstrap intervals (over images) of the twelve COCO numbers, each with its value on all images as `mean`.
 *
 * Objects are matched once; a resample only counts the verdicts of an image as often as it was drawn. A number that no
 * resample has a truth for is -1 throughout.
 *
 * @throws VlmR1Error as {@link evaluateCoco} does.
 */
export function bootstrapCoco(
  input: {
    readonly annotations: CocoFile | AnnotationTable;
    readonly results: readonly CocoResult[] | ResultTable;
  } & CocoOptions &
    CocoBootstrapOptions,
): Record<keyof CocoSummary, MeanInterval> {
  const { rng, resamples = 200, level = 0.95 } = input;
  const settings = resolve(input);
  const { annotations, layout, matches, axes } = matched(input, settings);
  const whole = summarizeCurves(
    accumulateCurves(matches, layout.categoryStarts, axes),
    axes,
    settings.thresholds,
  );
  const imageOf = new Int32Array(matches.places.length); // by ranking
  layout.detections.forEach((detection, d) => {
    imageOf[layout.rankings[d] as number] =
      (layout.detectionBuckets[detection] as number) % layout.imageCount;
  });
  const drawn = new Map<keyof CocoSummary, number[]>();
  for (let resample = 0; resample < resamples; resample++) {
    const times = new Int32Array(layout.imageCount);
    for (let i = 0; i < layout.imageCount; i++) {
      const image = rng.integer(layout.imageCount);
      times[image] = (times[image] as number) + 1;
    }
    const truthCounts = countResampledTruths(layout, annotations, settings.areaRanges, times);
    const copies = imageOf.map((image) => times[image] as number);
    const curves = accumulateCurves({ ...matches, truthCounts }, layout.categoryStarts, axes, copies);
    const summary = summarizeCurves(curves, axes, settings.thresholds);
    for (const [name, value] of Object.entries(summary) as [keyof CocoSummary, number][]) {
      if (value < 0) continue;
      const values = drawn.get(name);
      if (values) values.push(value);
      else drawn.set(name, [value]);
    }
  }
  const entries = Object.entries(whole) as [keyof CocoSummary, number][];
  return Object.fromEntries(
    entries.map(([name, mean]) => [name, { mean, ...percentiles(drawn.get(name) ?? [mean], level) }]),
  ) as Record<keyof CocoSummary, MeanInterval>;
}

type Settings = ReturnType<typeof resolve>;

/** Truths and detections brought into order and matched: what every number is made of. */
function matched(
  input: {
    readonly annotations: CocoFile | AnnotationTable;
    readonly results: readonly CocoResult[] | ResultTable;
  },
  settings: Settings,
) {
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
  return { annotations, results, layout, matches, axes };
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

/** The twelve lines that pycocotools' `summarize()` prints, one per number, digit for digit. */
export function cocoSummaryText({ stats, axes, thresholds }: CocoEvaluation): string {
  const span = `${fixed(thresholds[0] as number)}:${fixed(thresholds.at(-1) as number)}`;
  const [first, second, third] = axes.maxDets as readonly [number, number, number];
  const lines: [iou: string, area: string, maxDets: number][] = [
    [span, "all", 100],
    ["0.50", "all", third],
    ["0.75", "all", third],
    [span, "small", third],
    [span, "medium", third],
    [span, "large", third],
    [span, "all", first],
    [span, "all", second],
    [span, "all", third],
    [span, "small", third],
    [span, "medium", third],
    [span, "large", third],
  ];
  return lines
    .map(([iou, area, maxDets], i) => {
      const title = i < 6 ? "Average Precision  (AP)" : "Average Recall     (AR)";
      const place = `IoU=${iou.padEnd(9)} | area=${area.padStart(6)} | maxDets=${String(maxDets).padStart(3)}`;
      return ` ${title} @[ ${place} ] = ${threeDigits(stats[i] as number)}`;
    })
    .join("\n");
}

/** Python's rounding: halves to even. With three digits only odd sixteenths can be exact halves. */
function threeDigits(value: number): string {
  if (!Number.isInteger(value * 16) || Number.isInteger(value * 8)) return value.toFixed(3);
  const below = Math.floor(value * 1000);
  return ((below % 2 === 0 ? below : below + 1) / 1000).toFixed(3);
}

function fixed(value: number): string {
  return value.toFixed(2);
}

/** The outcome of {@link evaluateNmsAp}. */
export interface NmsApEvaluation extends CocoEvaluation {
  /** The results that survived, by their place among all, ascending. */
  readonly kept: readonly number[];
}

/**
 * OVDEval's NMS-AP: COCO AP after all but the surest of the predictions on one true box, whatever their labels, are
 * dropped.
 *
 * It stops a model from gaining AP by giving one box every label. For each true box of an image, the predictions of
 * any label with IoU > `nmsThreshold` (0.5) compete; the highest score stays (of equal scores the last, as numpy's
 * reversed argsort has it), the others go unless they win elsewhere. Yao et al. 2023, *How to Evaluate the
 * Generalization of Detection?*; OVDEval `eval.py`.
 *
 * @throws VlmR1Error as {@link evaluateCoco} does.
 */
export function evaluateNmsAp(
  input: {
    readonly annotations: CocoFile | AnnotationTable;
    readonly results: readonly CocoResult[] | ResultTable;
    /** IoU above which predictions compete for a true box. Default 0.5. */
    readonly nmsThreshold?: number;
  } & Omit<CocoOptions, "iouType">,
): NmsApEvaluation {
  const annotations =
    "kind" in input.annotations ? input.annotations : tabulateAnnotations(input.annotations, false);
  const results = "kind" in input.results ? input.results : tabulateResults(input.results, false);
  const kept = survivors(annotations, results, input.nmsThreshold ?? 0.5);
  const evaluation = evaluateCoco({
    ...input,
    annotations,
    results: selectResults(results, kept),
    iouType: "bbox",
  });
  return { ...evaluation, kept };
}

function survivors(annotations: AnnotationTable, results: ResultTable, threshold: number): number[] {
  if (results.boxes.some(Number.isNaN) || annotations.boxes.some(Number.isNaN)) {
    throw new VlmR1Error(
      "invalid-data",
      `NMS-AP compares boxes: every record of ${annotations.source} and ${results.source} needs a "bbox".`,
    );
  }
  const predictions = rowsByImage(results);
  const winners = new Set<number>();
  const losers = new Set<number>();
  for (const [image, truths] of rowsByImage(annotations)) {
    for (const truth of truths) {
      const rivals = (predictions.get(image) ?? []).filter(
        (row) => xywhIou(annotations.boxes, 4 * truth, results.boxes, 4 * row, false) > threshold,
      );
      const winner = surest(rivals, results.scores);
      if (winner !== undefined) winners.add(winner);
      for (const row of rivals) if (row !== winner) losers.add(row);
    }
  }
  return Array.from({ length: results.length }, (_, row) => row).filter(
    (row) => winners.has(row) || !losers.has(row),
  );
}

function rowsByImage({ imageIds }: AnnotationTable | ResultTable): Map<CocoId, number[]> {
  const rows = new Map<CocoId, number[]>();
  imageIds.forEach((image, row) => {
    const list = rows.get(image);
    if (list) list.push(row);
    else rows.set(image, [row]);
  });
  return rows;
}

function surest(rows: readonly number[], scores: Float64Array): number | undefined {
  let best = rows[0];
  for (const row of rows) if ((scores[row] as number) >= (scores[best as number] as number)) best = row;
  return best;
}
