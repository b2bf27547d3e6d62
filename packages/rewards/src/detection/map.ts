import type { RewardFunction, RewardInput } from "@vlmr1/core";
import type { ObjectsTarget } from "../target.ts";
import { averagePrecision } from "./average-precision.ts";
import { readCase, type ObjectReading } from "./written-objects.ts";

/**
 * COCO mean average precision of one image (IoU 0.5 to 0.95), 0..1; written confidences rank the boxes,
 * else their order does.
 *
 * Beware: COCO looks only at labels that the truth has, and boxes below the last match cost nothing, so
 * surplus boxes are free. VLM-R1 measured what that does to training and made {@link odLengthReward}.
 */
export function mapReward(reading: ObjectReading = {}): RewardFunction<ObjectsTarget> {
  return (input) => precisionOf(input, reading).value;
}

/** {@link mapReward} at IoU 0.5 alone, 0..1. The same warning holds. */
export function ap50Reward(reading: ObjectReading = {}): RewardFunction<ObjectsTarget> {
  return (input) => precisionOf(input, reading, [0.5]).value;
}

/**
 * Mean average precision times min(1, true boxes / written boxes), 0..1: every surplus box costs, whatever
 * its label.
 *
 * VLM-R1 (Shen et al. 2025, arXiv 2504.07615), R_acc for open-vocabulary detection ("odLength").
 */
export function odLengthReward(reading: ObjectReading = {}): RewardFunction<ObjectsTarget> {
  return (input) => {
    const { value, written, truths } = precisionOf(input, reading);
    return written > truths ? value * (truths / written) : value;
  };
}

function precisionOf(
  input: RewardInput<ObjectsTarget>,
  reading: ObjectReading,
  thresholds?: readonly number[],
): { readonly value: number; readonly written: number; readonly truths: number } {
  const found = readCase(input, reading);
  if (typeof found === "number") return { value: found, written: 0, truths: 0 };
  const ranked = found.written.map(({ box, label, confidence }) => ({ box, label, score: confidence }));
  const value = averagePrecision(ranked, found.truths, thresholds);
  return { value: Math.max(0, value), written: found.written.length, truths: found.truths.length };
}
