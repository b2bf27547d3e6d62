import type { RewardFunction } from "@vlmr1/core";
import { boxIou } from "@vlmr1/eval";
import { atStep, type StepValue } from "../combine/schedule.ts";
import type { ObjectsTarget } from "../target.ts";
import { readCase, type DetectionCase, type ObjectReading, type WrittenObject } from "./written-objects.ts";

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
