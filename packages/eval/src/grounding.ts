import { boxCenter, VlmR1Error, type Box, type FrameKind } from "@vlmr1/core";
import { boxIou } from "./box-overlap.ts";

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
  return mean(pairs.map(pairIou));
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
  return mean(items.map((item) => (test(item) ? 1 : 0)));
}

function mean(values: readonly number[]): number {
  if (values.length === 0) {
    throw new VlmR1Error(
      "invalid-argument",
      "There is nothing to average: give at least one prediction with its target.",
    );
  }
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
