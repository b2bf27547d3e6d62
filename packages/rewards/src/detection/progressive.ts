import type { RewardFunction, RewardInput } from "@vlmr1/core";
import { boxGiou, boxIou } from "@vlmr1/eval";
import { atStep, schedule, type StepValue } from "../combine.ts";
import type { ObjectsTarget } from "../target.ts";
import { assign } from "./matching.ts";
import { type DetectionCase, type ObjectReading, readCase, type WrittenObject } from "./objects.ts";

/** How boxes are matched. */
export interface VisualRftOptions extends ObjectReading {
  /** A match must exceed this IoU. Default 0.5. */
  readonly threshold?: StepValue;
}

/**
 * Sum of the matched IoUs over max(true boxes, written boxes), 0..1: surest boxes first, each to the best
 * free object of its label; repeated boxes are dropped.
 *
 * Visual-RFT (Liu et al. 2025, arXiv 2503.01785), R_IoU in the version that also counts missed objects.
 */
export function matchedIouReward({
  threshold = 0.5,
  ...reading
}: VisualRftOptions = {}): RewardFunction<ObjectsTarget> {
  return (input) => {
    const found = readCase(input, reading);
    if (typeof found === "number") return found;
    const matches = matchByConfidence(found, atStep(threshold, input.step));
    const sum = matches.reduce((total, match) => total + match.iou, 0);
    return sum / Math.max(found.truths.length, matches.length);
  };
}

/**
 * Mean of the confidence of matched boxes and of 1 - confidence of unmatched ones, 0..1: the model should
 * know when it is right.
 *
 * Visual-RFT, R_conf. Beware: boxes anywhere with confidence 0 earn 1 (as published); use it beside {@link
 * matchedIouReward}, or behind a `gate` on it.
 */
export function confidenceReward({
  threshold = 0.5,
  ...reading
}: VisualRftOptions = {}): RewardFunction<ObjectsTarget> {
  return (input) => {
    const found = readCase(input, reading);
    if (typeof found === "number") return found;
    const matches = matchByConfidence(found, atStep(threshold, input.step));
    const sum = matches.reduce(
      (total, { iou, confidence }) => total + (iou > 0 ? confidence : 1 - confidence),
      0,
    );
    return sum / matches.length;
  };
}

interface ConfidenceMatch {
  /** 0 when the box matched no object. */
  readonly iou: number;
  readonly confidence: number;
}

function matchByConfidence({ written, truths }: DetectionCase, threshold: number): ConfidenceMatch[] {
  const ranked = withoutRepeats(written).sort((a, b) => b.confidence - a.confidence);
  const taken = new Set<number>();
  return ranked.map(({ box, label, confidence }) => {
    let best = 0;
    let match = -1;
    truths.forEach((truth, i) => {
      if (taken.has(i) || (label !== "" && label !== truth.label)) return;
      const iou = boxIou(box, truth.box);
      if (iou > best) [best, match] = [iou, i];
    });
    if (match < 0 || best <= threshold) return { iou: 0, confidence };
    taken.add(match);
    return { iou: best, confidence };
  });
}

function withoutRepeats(written: readonly WrittenObject[]): WrittenObject[] {
  const seen = new Set<string>();
  return written.filter(({ box, label }) => {
    const key = `${box.join(",")} ${label}`;
    return seen.has(key) ? false : seen.add(key) !== undefined;
  });
}

/** The thresholds that grow with training. */
export interface ProgressiveOptions extends ObjectReading {
  /**
   * IoU below this counts 0, and an object counts as found from it on. Default 0.5, from step 1500 on 0.75.
   */
  readonly low?: StepValue;
  /** IoU above this counts 1. Default 0.75, from step 1500 on 0.9. */
  readonly high?: StepValue;
}

const lowByStep = schedule([
  [0, 0.5],
  [1500, 0.75],
]);
const highByStep = schedule([
  [0, 0.75],
  [1500, 0.9],
]);

/**
 * Mean over the written boxes of their IoU with the object assigned to them, with IoU below `low` as 0 and
 * above `high` as 1, 0..1.
 *
 * Vision-R1 (Zhan et al. 2025, arXiv 2503.18013), precision reward with progressive rule refinement. The
 * assignment minimises L1 distance - same label - GIoU. The published code takes GIoU for IoU and the mean
 * over matched boxes alone, which makes surplus boxes free; this follows the paper.
 */
export function progressivePrecisionReward(options: ProgressiveOptions = {}): RewardFunction<ObjectsTarget> {
  return (input) => score(input, options, precisionOf);
}

/** Share of the true objects whose assigned box reaches IoU `low`, 0..1. Vision-R1, recall reward. */
export function progressiveRecallReward(options: ProgressiveOptions = {}): RewardFunction<ObjectsTarget> {
  return (input) => score(input, options, recallOf);
}

/**
 * Mean of {@link progressivePrecisionReward} and {@link progressiveRecallReward}, 0..1; Vision-R1 adds a
 * format reward as the third.
 */
export function progressiveReward(options: ProgressiveOptions = {}): RewardFunction<ObjectsTarget> {
  return (input) =>
    score(input, options, (found, low, high) => (precisionOf(found, low, high) + recallOf(found, low)) / 2);
}

function score(
  input: RewardInput<ObjectsTarget>,
  options: ProgressiveOptions,
  rule: (found: AssignedOverlaps, low: number, high: number) => number,
): number {
  const found = assignedOverlaps(input, options);
  if (typeof found === "number") return found;
  const low = atStep(options.low ?? lowByStep, input.step);
  return rule(found, low, atStep(options.high ?? highByStep, input.step));
}

function precisionOf({ overlaps, written }: AssignedOverlaps, low: number, high: number): number {
  return overlaps.reduce((total, iou) => total + (iou < low ? 0 : iou > high ? 1 : iou), 0) / written;
}

function recallOf({ overlaps, truths }: AssignedOverlaps, low: number): number {
  return overlaps.filter((iou) => iou >= low && iou > 0).length / truths;
}

interface AssignedOverlaps {
  /** One IoU per assigned pair; 0 where the labels differ. */
  readonly overlaps: readonly number[];
  readonly written: number;
  readonly truths: number;
}

function assignedOverlaps(
  input: RewardInput<ObjectsTarget>,
  reading: ObjectReading,
): AssignedOverlaps | 0 | 1 {
  const found = readCase(input, reading);
  if (typeof found === "number") return found;
  const { written, truths } = found;
  const columns = assign(
    truths.map((truth) =>
      written.map(({ box, label }) => {
        const distance = box.reduce((sum, value, i) => sum + Math.abs(value - (truth.box[i] as number)), 0);
        return distance - (label === truth.label ? 1 : 0) - boxGiou(box, truth.box);
      }),
    ),
  );
  const overlaps: number[] = [];
  truths.forEach((truth, row) => {
    const object = written[columns[row] as number] as WrittenObject | undefined;
    if (object) overlaps.push(object.label === truth.label ? boxIou(object.box, truth.box) : 0);
  });
  return { overlaps, written: written.length, truths: truths.length };
}
