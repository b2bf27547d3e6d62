import { boxArea, boxToXywh, type Box, type ImageSize, type Rng } from "@vlmr1/core";
import { greedyPrecisionRecall, type GreedyScores } from "./boxes.ts";
import {
  bootstrapCoco,
  evaluateCoco,
  evaluateNmsAp,
  type CocoCategoryResult,
  type CocoEvaluation,
} from "./coco/average-precision.ts";
import type { CocoSummary } from "./coco/curves.ts";
import type { CocoFile, CocoId, CocoResult } from "./coco/tables.ts";
import type { MeanInterval } from "./statistics.ts";

/** A true object of an image. */
export interface TrueObject {
  /** In pixels of the image. */
  readonly box: Box;
  readonly label: string;
  /** Which category it is, when names are shared; default: the first of its name. */
  readonly categoryId?: CocoId;
  /** Pixels; default: the box's. It decides between small, medium and large. */
  readonly area?: number;
  /** A region of many objects: what is found inside is neither right nor wrong. */
  readonly crowd?: boolean;
}

/** What a model found. */
export interface DetectedObject {
  /** In pixels of the image. */
  readonly box: Box;
  readonly label: string;
  /** How sure the model is; 1 when it does not say. */
  readonly score: number;
}

/** One image with its truth and what a model found in it. */
export interface DetectedImage {
  /** As the annotations call it; unique. */
  readonly id: CocoId;
  readonly size: ImageSize;
  readonly truths: readonly TrueObject[];
  readonly detections: readonly DetectedObject[];
}

/** How to evaluate detections. */
export interface DetectionOptions {
  /** Names by category id, as the annotations have them. Default: the labels of the truths, numbered from 1. */
  readonly categories?: ReadonlyMap<CocoId, string>;
  /** Also OVDEval's NMS-AP. Default false. */
  readonly nmsAp?: boolean;
  /** Where the resamples of the intervals come from. */
  readonly rng: Rng;
  /** Resamples of the images. Default 200. */
  readonly resamples?: number;
  /** Share of resampled values inside the intervals. Default 0.95. */
  readonly level?: number;
}

/** Detection as papers report it: one number over the whole set, not a mean over pictures. */
export interface DetectionEvaluation {
  /** The twelve COCO numbers, overall and by category. */
  readonly coco: CocoEvaluation;
  /** The same with bootstrap intervals over images. */
  readonly intervals: Readonly<Record<keyof CocoSummary, MeanInterval>>;
  /** NMS-AP, with its intervals, when it was asked for. */
  readonly nms?: {
    readonly coco: CocoEvaluation;
    readonly intervals: Readonly<Record<keyof CocoSummary, MeanInterval>>;
  };
  /** Greedy precision and recall at IoU 0.5, for models that give no confidences. */
  readonly greedy: GreedyScores;
  /** Truth and results in COCO's own formats: what `evaluateCoco`, `eval coco` and pycocotools read. */
  readonly annotations: CocoFile;
  readonly results: readonly CocoResult[];
  /** Detections whose label names no category; they are in no file and in no COCO number. */
  readonly unknownLabels: number;
}

/**
 * COCO AP over a set of images, and NMS-AP, greedy precision and recall beside it. Labels are compared without case and
 * surrounding space.
 *
 * @throws VlmR1Error `invalid-data` for two images of one id or an empty set of truths, as {@link evaluateCoco} does.
 */
export function evaluateDetections(
  images: readonly DetectedImage[],
  options: DetectionOptions,
): DetectionEvaluation {
  const { annotations, categoryOf } = annotationsOf(images, options.categories);
  const results: CocoResult[] = [];
  let unknownLabels = 0;
  for (const { id, detections } of images) {
    for (const { box, label, score } of detections) {
      const category = categoryOf.get(even(label));
      if (category === undefined) unknownLabels++;
      else results.push({ image_id: id, category_id: category, bbox: boxToXywh(box), score });
    }
  }
  const { rng, resamples = 200, level = 0.95 } = options;
  const bootstrap = { rng, resamples, level };
  const input = { annotations, results };
  const coco = evaluateCoco(input);
  const pairs = images.map(({ truths, detections }) => ({
    predictions: detections.map(({ box, label }) => ({ box, label: even(label) })),
    truths: truths.filter(({ crowd }) => !crowd).map(({ box, label }) => ({ box, label: even(label) })),
  }));
  return {
    coco,
    intervals: bootstrapCoco({ ...input, ...bootstrap, rng: rng.fork("coco") }),
    ...(options.nmsAp && { nms: nmsOf(input, bootstrap) }),
    greedy: greedyPrecisionRecall(pairs),
    annotations,
    results,
    unknownLabels,
  };
}

function nmsOf(
  input: { readonly annotations: CocoFile; readonly results: readonly CocoResult[] },
  bootstrap: { readonly rng: Rng; readonly resamples: number; readonly level: number },
) {
  const coco = evaluateNmsAp(input);
  const results = coco.kept.map((row) => input.results[row] as CocoResult);
  return {
    coco,
    intervals: bootstrapCoco({ ...input, ...bootstrap, results, rng: bootstrap.rng.fork("nms") }),
  };
}

function annotationsOf(
  images: readonly DetectedImage[],
  named: ReadonlyMap<CocoId, string> | undefined,
): { readonly annotations: CocoFile; readonly categoryOf: ReadonlyMap<string, CocoId> } {
  const labels = [...new Set(images.flatMap(({ truths }) => truths.map(({ label }) => even(label))))].sort();
  const names = named ?? new Map(labels.map((label, i) => [i + 1, label] as const));
  const categoryOf = new Map<string, CocoId>();
  for (const [id, name] of names) if (!categoryOf.has(even(name))) categoryOf.set(even(name), id);
  let id = 0; // from 1: pycocotools takes a match with annotation 0 for none
  const annotations = images.flatMap((image) =>
    image.truths.map(({ box, label, categoryId, area, crowd }) => ({
      id: ++id,
      image_id: image.id,
      category_id: categoryId ?? (categoryOf.get(even(label)) as CocoId),
      bbox: boxToXywh(box),
      area: area ?? boxArea(box),
      iscrowd: crowd ? 1 : 0,
    })),
  );
  return {
    annotations: {
      images: images.map(({ id: image, size: { width, height } }) => ({ id: image, width, height })),
      categories: Array.from(names, ([category, name]) => ({ id: category, name })),
      annotations,
    },
    categoryOf,
  };
}

function even(label: string): string {
  return label.trim().toLowerCase().replaceAll(/\s+/g, " ");
}

const rows: readonly (readonly [title: string, name: keyof CocoSummary])[] = [
  ["AP (IoU 0.50:0.95)", "ap"],
  ["AP50", "ap50"],
  ["AP75", "ap75"],
  ["AP small", "apSmall"],
  ["AP medium", "apMedium"],
  ["AP large", "apLarge"],
  ["AR, 1 detection", "ar1"],
  ["AR, 10 detections", "ar10"],
  ["AR, 100 detections", "ar100"],
];

/** Detection numbers for people: COCO AP with intervals by size, NMS-AP, greedy precision and recall, and AP by category. */
export function detectionsToMarkdown({
  coco,
  intervals,
  nms,
  greedy,
  unknownLabels,
}: DetectionEvaluation): string {
  const digits = (value: number): string => (value < 0 ? "none" : value.toFixed(4));
  const line = (title: string, { mean, low, high }: MeanInterval): string =>
    `| ${title} | ${digits(mean)} | ${mean < 0 ? "" : `[${digits(low)}, ${digits(high)}]`} |`;
  const categories = coco.categories.filter(({ truths }) => truths > 0);
  const category = ({ name, truths, summary }: CocoCategoryResult): string =>
    `| ${name.replaceAll("|", "\\|")} | ${truths} | ${digits(summary.ap)} | ${digits(summary.ap50)} |`;
  return [
    `## Detection over the whole set\n`,
    `${coco.images} images, ${coco.detections} boxes; intervals resample images.` +
      (unknownLabels > 0 ? ` ${unknownLabels} more boxes have a label that is no category.` : ""),
    "",
    "| COCO | value | interval |",
    "| --- | --- | --- |",
    ...rows.map(([title, name]) => line(title, intervals[name])),
    ...(nms ? [line("NMS-AP (OVDEval)", nms.intervals.ap), line("NMS-AP50", nms.intervals.ap50)] : []),
    `| greedy precision (IoU 0.5) | ${digits(greedy.precision)} | |`,
    `| greedy recall (IoU 0.5) | ${digits(greedy.recall)} | |`,
    "",
    "| category | objects | AP | AP50 |",
    "| --- | --- | --- | --- |",
    ...categories.map(category),
    "",
  ].join("\n");
}
