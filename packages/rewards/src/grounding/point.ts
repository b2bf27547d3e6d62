import { boxCenter, type Point, type RewardFunction, type RewardInput } from "@vlmr1/core";
import { readPointedAt } from "../read/prose.ts";
import { imageSize, pointInPixels, type FrameReading } from "../read/frames.ts";
import { readShortAnswer, type Which } from "../read/spans.ts";
import { targetBox, targetPoint, type BoxTarget, type PointTarget } from "../target.ts";

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
