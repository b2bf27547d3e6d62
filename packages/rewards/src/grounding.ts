import { type Box, boxCenter, isBox, type Point, type RewardFunction, type RewardInput } from "@vlmr1/core";
import { boxCiou, boxDiou, boxGiou, boxIou, type BoxOverlap } from "@vlmr1/eval";
import { atStep, type StepValue } from "./combine.ts";
import { readBoxes } from "./read/boxes.ts";
import { boxConverter, type FrameReading, imageSize, pointInPixels } from "./read/frames.ts";
import { readPointedAt } from "./read/prose.ts";
import { readShortAnswer, type Which } from "./read/spans.ts";
import { type BoxTarget, type PointTarget, targetBox, targetPoint } from "./target.ts";

/** How the one box of an answer is found. */
export interface BoxReading extends FrameReading {
  /** Which `<answer>` counts when there are several. Default `last`. */
  readonly answer?: Which;
  /** Which box of that answer counts when there are several. Default `first`. */
  readonly box?: Which;
}

/**
 * The box that a completion answers with, in pixels; undefined when there is none or its corners are in the
 * wrong order.
 */
export function writtenBox(input: RewardInput, reading: BoxReading): Box | undefined {
  const answer = readShortAnswer(input.completion, reading.answer);
  const written = readBoxes(answer).at(reading.box === "last" ? -1 : 0);
  if (!written || !isBox(written)) return undefined;
  return boxConverter(input.sample, reading)(written);
}

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

/** How the one point of an answer is found. */
export interface PointReading extends FrameReading {
  /** Which `<answer>` counts when there are several. Default `last`. */
  readonly answer?: Which;
}

/**
 * 1 when the point that the answer gives lies in the true box (edges: left and upper inside, right and
 * lower outside), else 0. An answer that gives a box points at its middle.
 *
 * The click reward of UI-R1 (arXiv 2503.21620) and GUI-R1 (arXiv 2504.10458).
 */
export function pointInBox(reading: PointReading = {}): RewardFunction<BoxTarget> {
  return (input) => {
    const [x1, y1, x2, y2] = targetBox(input.sample);
    const point = writtenPoint(input, reading);
    return point && point[0] >= x1 && point[0] < x2 && point[1] >= y1 && point[1] < y2 ? 1 : 0;
  };
}

/**
 * How near the answer's point is to the true one, 0..1: 1 - (d / diagonal of the image)^2, 0 without a
 * point. The true one is the target's point, or the middle of its box.
 *
 * The continuous reward of SE-GUI (arXiv 2505.12370), with the image's diagonal as the largest distance.
 */
export function centerDistanceReward(reading: PointReading = {}): RewardFunction<BoxTarget | PointTarget> {
  return (input) => {
    const truth = truePoint(input);
    const point = writtenPoint(input, reading);
    if (!point) return 0;
    const { width, height } = imageSize(input.sample, reading.image ?? 0);
    const squared = (point[0] - truth[0]) ** 2 + (point[1] - truth[1]) ** 2;
    return Math.max(0, 1 - squared / (width * width + height * height));
  };
}

function truePoint({ sample }: RewardInput<BoxTarget | PointTarget>): Point {
  const { target } = sample;
  if (typeof target === "object" && target !== null && "point" in target)
    return targetPoint({ ...sample, target });
  return boxCenter(targetBox(sample as RewardInput<BoxTarget>["sample"]));
}

function writtenPoint({ completion, sample }: RewardInput, reading: PointReading): Point | undefined {
  const written = readPointedAt(readShortAnswer(completion, reading.answer));
  return written && pointInPixels(written, sample, reading);
}
