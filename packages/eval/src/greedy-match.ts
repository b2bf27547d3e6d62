import type { Box, FrameKind } from "@vlmr1/core";
import { boxIou } from "./box-overlap.ts";

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
