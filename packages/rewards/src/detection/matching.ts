import type { RewardFunction } from "@vlmr1/core";
import { boxIou } from "@vlmr1/eval";
import { atStep, type StepValue } from "../combine/schedule.ts";
import { VlmR1Error } from "@vlmr1/core";
import type { ObjectsTarget } from "../target.ts";
import { readCase, type DetectionCase, type ObjectReading } from "./written-objects.ts";

/** A written and a true object that belong together, by their indices. */
export interface Pair {
  readonly written: number;
  readonly truth: number;
  readonly iou: number;
}

/**
 * Pairs boxes one to one by taking the largest IoU that is left, down to `threshold`; labels are not looked
 * at. Of equal IoUs the pair that was written first comes first.
 */
export function greedyPairs({ written, truths }: DetectionCase, threshold: number): Pair[] {
  const candidates: Pair[] = [];
  written.forEach((object, i) => {
    truths.forEach((truth, j) => {
      const iou = boxIou(object.box, truth.box);
      if (iou >= threshold && iou > 0) candidates.push({ written: i, truth: j, iou });
    });
  });
  candidates.sort((a, b) => b.iou - a.iou || a.written - b.written || a.truth - b.truth);
  const takenWritten = new Set<number>();
  const takenTruths = new Set<number>();
  return candidates.filter(({ written: i, truth: j }) => {
    if (takenWritten.has(i) || takenTruths.has(j)) return false;
    takenWritten.add(i);
    takenTruths.add(j);
    return true;
  });
}

/** What the parts of {@link matchingReward} weigh. */
export interface MatchingOptions extends ObjectReading {
  /** Smallest IoU of a pair. Default 0.5. */
  readonly threshold?: StepValue;
  /** Mean IoU over the true objects, 0 for missed ones and wrong labels. Default 0.7. */
  readonly position?: number;
  /** Share of the true objects found with the right label. Default 0. */
  readonly label?: number;
  /** 1 minus the mean of the shares of missed and of surplus boxes. Default 0.3. */
  readonly completeness?: number;
}

/**
 * Position, labels and completeness of greedily paired boxes, as a weighted mean, 0..1.
 *
 * VLM-R1's `weighted_sum` without its bugs: standard IoU, a box without a label is a wrong label.
 *
 * @throws VlmR1Error `invalid-argument` for weights that are negative or all 0.
 */
export function matchingReward({
  threshold = 0.5,
  position = 0.7,
  label = 0,
  completeness = 0.3,
  ...reading
}: MatchingOptions = {}): RewardFunction<ObjectsTarget> {
  const total = position + label + completeness;
  if (!(position >= 0 && label >= 0 && completeness >= 0 && total > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `matchingReward: weights must not be negative and not all 0, got ${position}, ${label}, ${completeness}.`,
    );
  }
  return (input) => {
    const found = readCase(input, reading);
    if (typeof found === "number") return found;
    const { written, truths } = found;
    const pairs = greedyPairs(found, atStep(threshold, input.step));
    const right = pairs.filter((pair) => written[pair.written]?.label === truths[pair.truth]?.label);
    const overlap = right.reduce((sum, pair) => sum + pair.iou, 0) / truths.length;
    const missed = 1 - pairs.length / truths.length;
    const surplus = 1 - pairs.length / written.length;
    const whole = 1 - (missed + surplus) / 2;
    return (position * overlap + label * (right.length / truths.length) + completeness * whole) / total;
  };
}
