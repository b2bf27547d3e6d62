import { VlmR1Error, type Box, type RewardFunction, type ScoreFunction } from "@vlmr1/core";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  clip,
  formatReward,
  gate,
  iouReward,
  mapReward,
  numericReward,
  ramp,
  schedule,
  weightedSum,
  type AnswerTarget,
  type BoxTarget,
  type ObjectsTarget,
} from "../../src/index.ts";

const sample = { id: "5", prompt: "", images: [], target: { box: [0, 0, 10, 10] as Box } };
const constant =
  (value: number): RewardFunction =>
  () =>
    value;
const later =
  (value: number): RewardFunction =>
  () =>
    Promise.resolve(value);

describe("weightedSum", () => {
  test("adds weight times reward and reports each reward's own value under its name", async () => {
    const score = weightedSum({ a: constant(0.5), b: [2, later(3)], c: [(step) => step, constant(1)] });
    expect(await score({ completion: "", sample, step: 4 })).toEqual({
      total: 10.5,
      scores: { a: 0.5, b: 3, c: 1 },
    });
  });

  test("names the reward and the sample when a reward throws or returns no finite number", async () => {
    const broken = weightedSum({
      fine: constant(1),
      iou: (() => {
        throw new Error("no camera");
      }) as RewardFunction,
    });
    await expect(broken({ completion: "", sample })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: Reward "iou" failed on sample "5": no camera]`,
    );
    const odd = weightedSum({ iou: constant(Number.NaN) });
    const error: unknown = await odd({ completion: "", sample }).catch((reason: unknown) => reason);
    expect(VlmR1Error.is(error, "reward-failed")).toBe(true);
    expect(String(error)).toContain("a reward must be a finite number");
  });

  test("refuses an empty record and weights that are no number", () => {
    expect(() => weightedSum({})).toThrow(/at least one reward/);
    expect(() => weightedSum({ a: [Number.NaN, constant(1)] })).toThrow(/must be finite/);
  });

  test("infers what the target must have", () => {
    const both = weightedSum({ iou: iouReward(), map: [0.5, mapReward()], format: formatReward() });
    expectTypeOf(both).toEqualTypeOf<ScoreFunction<BoxTarget & ObjectsTarget>>();
    const free = weightedSum({ format: formatReward() });
    expectTypeOf(free).toEqualTypeOf<ScoreFunction<unknown>>();
    const answers: ScoreFunction<AnswerTarget> = weightedSum({ number: numericReward() });
    // @ts-expect-error a dataset of answers has no boxes
    const wrong: ScoreFunction<AnswerTarget> = weightedSum({ iou: iouReward() });
    expect([answers, wrong]).toHaveLength(2);
  });
});

describe("schedule", () => {
  test("switches numbers and rewards at their step, and starts at the first outside training", async () => {
    const threshold = schedule([
      [0, 0.5],
      [1500, 0.75],
    ]);
    expect([threshold(0), threshold(1499), threshold(1500)]).toEqual([0.5, 0.5, 0.75]);
    const reward = schedule([
      [0, constant(1)],
      [10, later(2)],
    ]);
    expect(reward({ completion: "", sample })).toBe(1);
    expect(await reward({ completion: "", sample, step: 10 })).toBe(2);
  });

  test("ramps run in a straight line between two steps", () => {
    const weight = ramp(0, 1, { start: 100, end: 200 });
    expect([weight(0), weight(150), weight(999)]).toEqual([0, 0.5, 1]);
    expect(() => ramp(0, 1, { start: 5, end: 5 })).toThrow(/end must be after start/);
  });

  test("refuses stages that do not begin at 0 or do not increase", () => {
    expect(() => schedule([[5, 1]])).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: schedule: stages must begin at step 0 and increase, got steps [5].]`,
    );
    expect(() =>
      schedule([
        [0, 1],
        [0, 2],
      ]),
    ).toThrow(/increase/);
  });
});

test("clip keeps a reward within bounds, sync or not", async () => {
  expect(clip(constant(3), 0, 1)({ completion: "", sample })).toBe(1);
  expect(await clip(later(-3), 0, 1)({ completion: "", sample })).toBe(0);
  expect(() => clip(constant(1), 1, 0)).toThrow(/low must not exceed high/);
});

test("gate computes the second reward only when the first has passed", async () => {
  let computed = 0;
  const counted: RewardFunction = () => {
    computed++;
    return 0.25;
  };
  expect(gate(constant(0.9), counted)({ completion: "", sample })).toBe(0);
  expect(computed).toBe(0);
  expect(gate(constant(0.9), counted, { atLeast: 0.8 })({ completion: "", sample })).toBe(0.25);
  expect(await gate(later(0), counted, { otherwise: -1 })({ completion: "", sample })).toBe(-1);
});
