import type { Box } from "@vlmr1/core";
import { expect, test } from "vitest";
import { accuracyAt, centerAccuracy, type GroundingPair, groundingScores, meanIou } from "../src/boxes.ts";

const target: Box = [0, 0, 10, 10];
const pairs: GroundingPair[] = [
  { prediction: [0, 0, 10, 10], target }, // IoU 1
  { prediction: [0, 0, 10, 5], target }, // IoU exactly 0.5
  { prediction: [5, 5, 15, 15], target }, // IoU 25 / 175, centre on the target's corner
  { prediction: undefined, target },
];

test("Acc@0.5 counts an IoU of exactly 0.5 unless it is strict", () => {
  expect(accuracyAt(pairs, 0.5)).toBe(0.5);
  expect(accuracyAt(pairs, 0.5, { strict: true })).toBe(0.25);
});

test("mean IoU counts a missing box as 0", () => {
  expect(meanIou(pairs)).toBeCloseTo((1 + 0.5 + 1 / 7) / 4, 15);
});

test("centre accuracy includes the edge of the true box", () => {
  expect(centerAccuracy(pairs)).toBe(0.75);
  expect(centerAccuracy([{ prediction: [5.1, 5, 15, 15], target }])).toBe(0);
});

test("all scores come at once, for several thresholds in the order asked for", () => {
  expect(groundingScores(pairs, { thresholds: [0.9, 0.1] })).toMatchObject({
    count: 4,
    accuracy: [
      { threshold: 0.9, value: 0.25 },
      { threshold: 0.1, value: 0.75 },
    ],
    centerAccuracy: 0.75,
  });
});

test("an average of nothing is refused", () => {
  expect(() => meanIou([])).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: There is nothing to average: give at least one prediction with its target.]`,
  );
});
