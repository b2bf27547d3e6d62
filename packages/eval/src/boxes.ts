import { type Box, boxArea, boxCenter, type FrameKind, mean, VlmR1Error } from "@vlmr1/core";

/**
 * How much two boxes of one frame overlap: one of {@link boxIou}, {@link boxGiou}, {@link boxDiou}, {@link boxCiou}.
 */
export type BoxOverlap = <Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>) => number;

/** The epsilon that torchvision adds to the denominators of DIoU and CIoU. */
const epsilon = 1e-7;

/**
 * Intersection over union, 0..1; an empty or inverted box overlaps nothing.
 *
 * torchvision `box_iou`; where that gives 0/0 (two boxes without area) this gives 0.
 */
export function boxIou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const intersection = intersectionArea(a, b);
  return ratio(intersection, boxArea(a) + boxArea(b) - intersection);
}

/**
 * Generalised IoU, -1..1: IoU minus the share of the smallest enclosing box that neither box covers.
 *
 * Rezatofighi et al. 2019, eq. 1-2 (Algorithm 1); torchvision `generalized_box_iou`.
 */
export function boxGiou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const intersection = intersectionArea(a, b);
  const union = boxArea(a) + boxArea(b) - intersection;
  const [width, height] = enclosingSize(a, b);
  const enclosing = width * height;
  return ratio(intersection, union) - ratio(enclosing - union, enclosing);
}

/**
 * Distance IoU, -1..1: IoU minus the squared distance of the centres over the squared diagonal of the enclosing box.
 *
 * Zheng et al. 2020, eq. 5-7; torchvision `distance_box_iou` (1e-7 is added to the squared diagonal).
 */
export function boxDiou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const [width, height] = enclosingSize(a, b);
  const dx = (a[0] + a[2]) / 2 - (b[0] + b[2]) / 2;
  const dy = (a[1] + a[3]) / 2 - (b[1] + b[3]) / 2;
  return boxIou(a, b) - ratio(dx * dx + dy * dy, width * width + height * height + epsilon);
}

/**
 * Complete IoU, -1.5 < value <= 1: distance IoU minus a penalty for different aspect ratios.
 *
 * alpha v with v = 4/pi^2 (atan(w_b/h_b) - atan(w_a/h_a))^2 and alpha = v / (1 - IoU + v + 1e-7).
 * Zheng et al. 2020, eq. 8-11; torchvision `complete_box_iou`.
 */
export function boxCiou<Kind extends FrameKind>(a: Box<Kind>, b: Box<Kind>): number {
  const iou = boxIou(a, b);
  const v = (4 / Math.PI ** 2) * (aspectAngle(b) - aspectAngle(a)) ** 2;
  const alpha = v / (1 - iou + v + epsilon);
  return boxDiou(a, b) - alpha * v;
}

/**
 * The overlap of every row box with every column box: `result[i][j]` is `overlap(rows[i], columns[j])`, IoU by
 * default.
 */
export function overlapMatrix<Kind extends FrameKind>(
  rows: readonly Box<Kind>[],
  columns: readonly Box<Kind>[],
  overlap: BoxOverlap = boxIou,
): number[][] {
  return rows.map((row) => columns.map((column) => overlap(row, column)));
}

function intersectionArea(a: Box<FrameKind>, b: Box<FrameKind>): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return width > 0 && height > 0 ? width * height : 0;
}

/**
 * The smallest box around all four corners. For upright boxes that is torchvision's; inverted ones cannot leave the
 * value's range.
 */
function enclosingSize(a: Box<FrameKind>, b: Box<FrameKind>): readonly [width: number, height: number] {
  return [
    Math.max(a[0], a[2], b[0], b[2]) - Math.min(a[0], a[2], b[0], b[2]),
    Math.max(a[1], a[3], b[1], b[3]) - Math.min(a[1], a[3], b[1], b[3]),
  ];
}

/** atan(width / height), defined for flat and empty boxes too. */
function aspectAngle(box: Box<FrameKind>): number {
  return Math.atan2(Math.max(0, box[2] - box[0]), Math.max(0, box[3] - box[1]));
}

/** A quotient that is 0 where it would not be a number. */
function ratio(numerator: number, denominator: number): number {
  const value = numerator / denominator;
  return denominator > 0 && Number.isFinite(value) ? value : 0;
}

/**
 * One referring expression: the box that the model gave (undefined when none could be read) and the true one, in one
 * frame.
 */
export interface GroundingPair<Kind extends FrameKind = "pixels"> {
  readonly prediction: Box<Kind> | undefined;
  readonly target: Box<Kind>;
}

/** How {@link accuracyAt} counts. */
export interface AccuracyOptions {
  /**
   * true: IoU > threshold, as VLM-R1 counts. false (default): IoU >= threshold, as RefCOCO, Qwen-VL and lmms-eval
   * count.
   */
  readonly strict?: boolean;
}

/** The usual numbers of referring expression comprehension. */
export interface GroundingScores {
  readonly count: number;
  /** Acc@t for each threshold that was asked for, in that order. */
  readonly accuracy: readonly { readonly threshold: number; readonly value: number }[];
  readonly meanIou: number;
  readonly centerAccuracy: number;
}

/**
 * Acc@t: the share of expressions, 0..1, whose predicted box has IoU >= t (`strict`: > t) with the true one; no box
 * counts as wrong.
 *
 * @throws VlmR1Error `invalid-argument` for no pairs at all.
 */
export function accuracyAt<Kind extends FrameKind>(
  pairs: readonly GroundingPair<Kind>[],
  threshold: number,
  { strict = false }: AccuracyOptions = {},
): number {
  return share(pairs, (pair) => (strict ? pairIou(pair) > threshold : pairIou(pair) >= threshold));
}

/** Mean IoU, 0..1; an expression without a box counts as 0. Throws like {@link accuracyAt}. */
export function meanIou<Kind extends FrameKind>(pairs: readonly GroundingPair<Kind>[]): number {
  return meanOf(pairs.map(pairIou));
}

/**
 * The share of expressions, 0..1, whose predicted box has its centre inside the true box, edges included (lmms-eval
 * `Center_ACC`).
 */
export function centerAccuracy<Kind extends FrameKind>(pairs: readonly GroundingPair<Kind>[]): number {
  return share(pairs, ({ prediction, target }) => {
    if (!prediction) return false;
    const [x, y] = boxCenter(prediction);
    return x >= target[0] && x <= target[2] && y >= target[1] && y <= target[3];
  });
}

/** All of the above at once; `thresholds` default to 0.5. Throws like {@link accuracyAt}. */
export function groundingScores<Kind extends FrameKind>(
  pairs: readonly GroundingPair<Kind>[],
  { thresholds = [0.5], strict = false }: AccuracyOptions & { readonly thresholds?: readonly number[] } = {},
): GroundingScores {
  return {
    count: pairs.length,
    accuracy: thresholds.map((threshold) => ({ threshold, value: accuracyAt(pairs, threshold, { strict }) })),
    meanIou: meanIou(pairs),
    centerAccuracy: centerAccuracy(pairs),
  };
}

function pairIou<Kind extends FrameKind>({ prediction, target }: GroundingPair<Kind>): number {
  return prediction ? boxIou(prediction, target) : 0;
}

function share<Item>(items: readonly Item[], test: (item: Item) => boolean): number {
  return meanOf(items.map((item) => (test(item) ? 1 : 0)));
}

/** The mean of at least one value. */
function meanOf(values: readonly number[]): number {
  if (values.length === 0) {
    throw new VlmR1Error(
      "invalid-argument",
      "There is nothing to average: give at least one prediction with its target.",
    );
  }
  return mean(values);
}

/** A box with what is in it. */
export interface LabelledBox<Kind extends FrameKind = "pixels"> {
  readonly box: Box<Kind>;
  readonly label: string;
}

/** The predictions and truths of one image, in one frame. */
export interface DetectionPair<Kind extends FrameKind = "pixels"> {
  readonly predictions: readonly LabelledBox<Kind>[];
  readonly truths: readonly LabelledBox<Kind>[];
}

/** Precision and recall over a whole set, each 0..1, with the counts behind them. */
export interface GreedyScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly matched: number;
  readonly predictions: number;
  readonly truths: number;
}

/**
 * Greedy precision and recall at an IoU threshold (0.5): detection scores for models that give no confidences.
 *
 * **The definition is ours**: VLM-R1 (2025, table 3) reports GP and GR without a formula or code. Per image and
 * label, pairs with IoU >= threshold are matched one to one from the greatest IoU down (ties: earlier prediction,
 * then earlier truth). GP is matches over predictions and GR matches over truths, summed over the set. A count over
 * zero is 1 when there was nothing to find and nothing was found, else 0.
 */
export function greedyPrecisionRecall<Kind extends FrameKind>(
  images: readonly DetectionPair<Kind>[],
  { iouThreshold = 0.5 }: { readonly iouThreshold?: number } = {},
): GreedyScores {
  let [matched, predictions, truths] = [0, 0, 0];
  for (const image of images) {
    matched += greedyMatches(image, iouThreshold).length;
    predictions += image.predictions.length;
    truths += image.truths.length;
  }
  const nothing = predictions + truths === 0 ? 1 : 0;
  const precision = predictions === 0 ? nothing : matched / predictions;
  const recall = truths === 0 ? nothing : matched / truths;
  const f1 = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  return { precision, recall, f1, matched, predictions, truths };
}

/** The matches of one image, from the greatest IoU down; indices are into its predictions and truths. */
export function greedyMatches<Kind extends FrameKind>(
  { predictions, truths }: DetectionPair<Kind>,
  iouThreshold = 0.5,
): readonly { readonly prediction: number; readonly truth: number; readonly iou: number }[] {
  const pairs = predictions
    .flatMap(({ box, label }, prediction) =>
      truths.flatMap((candidate, truth) =>
        candidate.label === label ? [{ prediction, truth, iou: boxIou(box, candidate.box) }] : [],
      ),
    )
    .filter(({ iou }) => iou >= iouThreshold && iou > 0)
    .sort((a, b) => b.iou - a.iou);
  const usedPredictions = new Set<number>();
  const usedTruths = new Set<number>();
  return pairs.filter(({ prediction, truth }) => {
    if (usedPredictions.has(prediction) || usedTruths.has(truth)) return false;
    usedPredictions.add(prediction);
    usedTruths.add(truth);
    return true;
  });
}
