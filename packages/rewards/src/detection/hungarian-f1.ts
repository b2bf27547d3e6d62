import { VlmR1Error, type RewardFunction } from "@vlmr1/core";
import { boxIou } from "@vlmr1/eval";
import { atStep, type StepValue } from "../combine/schedule.ts";
import type { ObjectsTarget } from "../target.ts";
import { assign } from "./assignment.ts";
import { readCase, type ObjectReading } from "./written-objects.ts";

/** What the parts of {@link hungarianF1Reward} weigh. */
export interface HungarianF1Options extends ObjectReading {
  /** A pair counts as found from this IoU on. Default 0.5. */
  readonly threshold?: StepValue;
  /** Weight of F1, the harmonic mean of precision and recall. Default 1. */
  readonly count?: number;
  /** Weight of the mean IoU over the true objects, in which missed ones count 0. Default 1. */
  readonly location?: number;
}

/**
 * F1 and location of the best one-to-one assignment of written to true boxes (largest total IoU of equal
 * labels), as a weighted mean, 0..1: order does not matter, and both surplus and missing boxes cost.
 *
 * Perception-R1 (Yu et al. 2025, arXiv 2504.07954); its parts were published as text, the code covers
 * grounding alone.
 *
 * @throws VlmR1Error `invalid-argument` for weights that are negative or both 0.
 */
export function hungarianF1Reward({
  threshold = 0.5,
  count = 1,
  location = 1,
  ...reading
}: HungarianF1Options = {}): RewardFunction<ObjectsTarget> {
  if (!(count >= 0 && location >= 0 && count + location > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `hungarianF1Reward: weights must not be negative and not both 0, got count ${count} and location ${location}.`,
    );
  }
  return (input) => {
    const found = readCase(input, reading);
    if (typeof found === "number") return found;
    const { written, truths } = found;
    const quality = truths.map((truth) =>
      written.map((object) => (object.label === truth.label ? boxIou(object.box, truth.box) : 0)),
    );
    const columns = assign(quality.map((row) => row.map((value) => -value)));
    const overlaps = columns.map((column, row) => (column < 0 ? 0 : (quality[row]?.[column] as number)));
    const limit = atStep(threshold, input.step);
    const hits = overlaps.filter((overlap) => overlap >= limit && overlap > 0).length;
    const f1 = (2 * hits) / (written.length + truths.length);
    const mean = overlaps.reduce((sum, overlap) => sum + overlap, 0) / truths.length;
    return (count * f1 + location * mean) / (count + location);
  };
}
