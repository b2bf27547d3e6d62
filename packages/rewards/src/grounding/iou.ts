import type { RewardFunction } from "@vlmr1/core";
import { boxCiou, boxDiou, boxGiou, boxIou, type BoxOverlap } from "@vlmr1/eval";
import { atStep, type StepValue } from "../combine/schedule.ts";
import { targetBox, type BoxTarget } from "../target.ts";
import { writtenBox, type BoxReading } from "./written-box.ts";

/**
 * Soft IoU of the answer's box with the true one, 0..1; 0 without a box.
 *
 * VLM-R1 (Shen et al. 2025, arXiv 2504.07615), R_acc for referring expression comprehension.
 */
export function iouReward(reading: BoxReading = {}): RewardFunction<BoxTarget> {
  return overlapReward(boxIou, 0, reading);
}

/**
 * 1 when the IoU of the answer's box with the true one exceeds `threshold`, else 0. `strict: false` also
 * accepts equality, as refer, Qwen-VL and lmms-eval do; VLM-R1 and Visual-RFT are strict. The threshold may
 * follow the training step.
 */
export function iouAtLeast(
  threshold: StepValue = 0.5,
  { strict = true, ...reading }: BoxReading & { readonly strict?: boolean } = {},
): RewardFunction<BoxTarget> {
  return (input) => {
    const truth = targetBox(input.sample);
    const written = writtenBox(input, reading);
    const limit = atStep(threshold, input.step);
    const iou = written ? boxIou(written, truth) : 0;
    return (strict ? iou > limit : iou >= limit && iou > 0) ? 1 : 0;
  };
}

/** What the IoU's relatives need beside {@link BoxReading}. */
export interface OverlapReading extends BoxReading {
  /**
   * What an answer without a box earns. The default is the lowest value of the rule, so that silence never
   * beats an honest miss.
   */
  readonly malformed?: number;
}

/** Generalised IoU, -1..1 (Rezatofighi et al. 2019): disjoint boxes still say how far apart they are. */
export function giouReward({ malformed = -1, ...reading }: OverlapReading = {}): RewardFunction<BoxTarget> {
  return overlapReward(boxGiou, malformed, reading);
}

/** Distance IoU, -1..1 (Zheng et al. 2020): pulls centres together. */
export function diouReward({ malformed = -1, ...reading }: OverlapReading = {}): RewardFunction<BoxTarget> {
  return overlapReward(boxDiou, malformed, reading);
}

/** Complete IoU, -1.5..1 (Zheng et al. 2020): distance IoU that also compares aspect ratios. */
export function ciouReward({ malformed = -1.5, ...reading }: OverlapReading = {}): RewardFunction<BoxTarget> {
  return overlapReward(boxCiou, malformed, reading);
}

/**
 * IoU where it reaches `threshold`, GIoU below it, -1..1: a signal for boxes that do not overlap yet, and
 * nothing but IoU near the goal.
 *
 * NeMo-RL's `bbox_giou_reward` (there `giou_penalty_thres`, 10 by default: always GIoU; its RefCOCO recipe
 * uses 0.5). NeMo gives malformed answers 0, more than a disjoint box: set `malformed: 0` to reproduce
 * that.
 */
export function giouBelow(
  threshold: StepValue = 0.5,
  { malformed = -1, ...reading }: OverlapReading = {},
): RewardFunction<BoxTarget> {
  return (input) => {
    const truth = targetBox(input.sample);
    const written = writtenBox(input, reading);
    if (!written) return malformed;
    const iou = boxIou(written, truth);
    return iou < atStep(threshold, input.step) ? boxGiou(written, truth) : iou;
  };
}

function overlapReward(
  overlap: BoxOverlap,
  malformed: number,
  reading: BoxReading,
): RewardFunction<BoxTarget> {
  return (input) => {
    const truth = targetBox(input.sample);
    const written = writtenBox(input, reading);
    return written ? overlap(written, truth) : malformed;
  };
}
