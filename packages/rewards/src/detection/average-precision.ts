import type { RewardFunction, RewardInput } from "@vlmr1/core";
import type { WrittenBox } from "../read/prose.ts";
import type { ObjectsTarget } from "../target.ts";
import { type ObjectReading, readCase } from "./objects.ts";

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

/** A labelled box of one image, with the score that ranks it. */
export interface ApBox {
  readonly box: WrittenBox;
  readonly label: string;
  /** Higher is surer. Default 1; equal scores keep their order. */
  readonly score?: number;
}

/** numpy.linspace(0.5, 0.95, 10), bit for bit. */
const cocoThresholds: readonly number[] = [
  0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95,
];

/** Detections per category that COCO looks at. */
const maxDetections = 100;

/**
 * COCO average precision of the boxes of ONE image, over the labels that the truth has: 101 recall points,
 * at most 100 boxes a label, mean over thresholds and labels. 0..1, or -1 when the truth is empty.
 *
 * Equal to `evaluateCoco` of @vlmr1/eval (tested), which needs tables of images; this is what a reward can
 * afford per completion.
 */
export function averagePrecision(
  written: readonly ApBox[],
  truths: readonly ApBox[],
  thresholds: readonly number[] = cocoThresholds,
): number {
  let sum = 0;
  let count = 0;
  for (const label of new Set(truths.map((truth) => truth.label))) {
    const objects = truths.filter((truth) => truth.label === label && isCounted(truth.box));
    if (objects.length === 0) continue;
    const ranked = written
      .filter((box) => box.label === label)
      .sort((a, b) => (b.score ?? 1) - (a.score ?? 1))
      .slice(0, maxDetections);
    const overlaps = ranked.map(({ box }) => objects.map((object) => overlap(box, object.box)));
    for (const threshold of thresholds) {
      sum += precisionAt(ranked, overlaps, objects.length, threshold);
      count++;
    }
  }
  return count === 0 ? -1 : sum / count;
}

/**
 * One threshold of one label: match greedily in order of score, then average the interpolated precision
 * over 101 recalls.
 */
function precisionAt(
  ranked: readonly ApBox[],
  overlaps: readonly (readonly number[])[],
  objects: number,
  threshold: number,
): number {
  const taken = new Uint8Array(objects);
  const recalls: number[] = [];
  const precisions: number[] = [];
  let right = 0;
  let wrong = 0;
  ranked.forEach(({ box }, i) => {
    const match = bestMatch(overlaps[i] as readonly number[], taken, threshold);
    if (match >= 0) {
      taken[match] = 1;
      right++;
    } else if (isCounted(box)) wrong++;
    recalls.push(right / objects);
    precisions.push(right / (right + wrong + Number.EPSILON));
  });
  for (let i = precisions.length - 2; i >= 0; i--) {
    precisions[i] = Math.max(precisions[i] as number, precisions[i + 1] as number);
  }
  return meanOverRecalls(recalls, precisions);
}

/**
 * The free object with the largest overlap from `threshold` on; of equal ones the last, as pycocotools has
 * it.
 */
function bestMatch(overlaps: readonly number[], taken: Uint8Array, threshold: number): number {
  let best = Math.min(threshold, 1 - 1e-10);
  let match = -1;
  for (let object = 0; object < overlaps.length; object++) {
    if (taken[object] === 1 || (overlaps[object] as number) < best) continue;
    best = overlaps[object] as number;
    match = object;
  }
  return match;
}

/** Precision at recall 0, 0.01, ..., 1, where it is reached. */
function meanOverRecalls(recalls: readonly number[], precisions: readonly number[]): number {
  let sum = 0;
  let at = 0;
  for (let point = 0; point <= 100; point++) {
    while (at < recalls.length && (recalls[at] as number) < point * 0.01) at++; // i * 0.01 is numpy.linspace(0, 1, 101), bit for bit
    sum += precisions[at] ?? 0;
  }
  return sum / 101;
}

/** COCO's area range "all": inverted and absurd boxes are neither right nor wrong. */
function isCounted([x1, y1, x2, y2]: WrittenBox): boolean {
  const area = (x2 - x1) * (y2 - y1);
  return area >= 0 && area <= 1e10;
}

/** The IoU of pycocotools' C code, which works on [x, y, width, height]. */
function overlap(a: WrittenBox, b: WrittenBox): number {
  const [widthA, heightA, widthB, heightB] = [a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]];
  const width = Math.min(widthA + a[0], widthB + b[0]) - Math.max(a[0], b[0]);
  const height = Math.min(heightA + a[1], heightB + b[1]) - Math.max(a[1], b[1]);
  if (!(width > 0 && height > 0)) return 0;
  const intersection = width * height;
  return intersection / (widthA * heightA + widthB * heightB - intersection);
}
