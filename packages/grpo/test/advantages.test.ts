import { createRng } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import {
  groupAdvantages,
  isZeroVarianceGroup,
  normalizeThenSum,
  sumThenNormalize,
} from "../src/rollout/advantages.ts";
import { distance, fixture } from "./fixture.ts";

interface Case {
  name: string;
  rewards_per_func: (number | null)[][];
  reward_weights: number[];
  num_generations: number;
  scale_rewards: "group" | "batch" | "none";
  aggregation: "sum_then_normalize" | "normalize_then_sum";
  expected: { reward: (number | null)[]; std: number[]; advantages: number[]; is_std_zero: number[] };
}

const published = { groupSize: 4, scale: "group", baseline: "mean" } as const;

describe("advantages equal those of TRL", () => {
  test.each(fixture<{ cases: Case[] }>("advantages.json").cases)("$name", (example) => {
    const combine = example.aggregation === "normalize_then_sum" ? normalizeThenSum : sumThenNormalize;
    const result = combine(example.rewards_per_func, example.reward_weights, {
      groupSize: example.num_generations,
      scale: example.scale_rewards,
      baseline: "mean",
    });
    expect(distance(result.values, example.expected.advantages)).toBeLessThan(1e-9);
    expect(distance(result.rewards, example.expected.reward)).toBeLessThan(1e-9);
    expect(distance(result.stds, example.expected.std)).toBeLessThan(1e-9);
  });
});

describe("groupAdvantages", () => {
  test("two rewards 0 and 1 are half a unit off their mean, divided by 0.7071 + 1e-4", () => {
    const { values } = groupAdvantages([0, 1], { ...published, groupSize: 2 });
    expect(values[1]).toBeCloseTo(0.5 / (Math.SQRT1_2 + 1e-4), 7);
    expect(values[0]).toBe(-(values[1] as number));
  });

  test("equal rewards give exactly zero, even where their mean is rounded", () => {
    const { values, zeroVariance } = groupAdvantages([0.7, 0.7, 0.7, 0.7], published);
    expect(values).toEqual([0, 0, 0, 0]);
    expect(zeroVariance).toEqual([true, true, true, true]);
  });

  test("a group that differs by rounding only has no variance", () => {
    const { values, zeroVariance, stds } = groupAdvantages([0.1 + 0.2, 0.3, 0.3, 0.3], published);
    expect(values).toEqual([0, 0, 0, 0]);
    expect(zeroVariance).toEqual([true, true, true, true]);
    expect(stds).toEqual([0, 0, 0, 0]);
    const group = [0.1 + 0.2, 0.3].map((total) => ({ total, scores: { iou: total, format: 1 } }));
    expect(isZeroVarianceGroup(group, "sum-then-normalize")).toBe(true);
    expect(isZeroVarianceGroup(group, "normalize-then-sum")).toBe(true);
    const differing = [...group, { total: 0.3, scores: { iou: 0.3, format: 0 } }];
    expect(isZeroVarianceGroup(differing, "sum-then-normalize")).toBe(true);
    expect(isZeroVarianceGroup(differing, "normalize-then-sum")).toBe(false);
  });

  test("a completion that no reward scored gets zero and does not shift the others", () => {
    const { values, zeroVariance } = groupAdvantages([0, 1, null, 2], { ...published, scale: "none" });
    expect(values).toEqual([-1, 0, 0, 1]);
    expect(zeroVariance).toEqual([false, false, false, false]);
  });

  test("leave-one-out compares with the mean of the others", () => {
    const { values } = groupAdvantages([1, 2, 3, 6], {
      ...published,
      scale: "none",
      baseline: "leave-one-out",
    });
    expect(distance(values, [1 - 11 / 3, 2 - 10 / 3, 3 - 9 / 3, 6 - 6 / 3])).toBeLessThan(1e-12);
  });

  test("group means are zero whatever the rewards", () => {
    const rng = createRng(1);
    for (let trial = 0; trial < 200; trial++) {
      const rewards = Array.from({ length: 12 }, () => rng.normal() * 10 ** (rng.integer(8) - 4));
      const { values } = groupAdvantages(rewards, { ...published, groupSize: 6 });
      for (const group of [values.slice(0, 6), values.slice(6)]) {
        expect(Math.abs(group.reduce((sum, value) => sum + value, 0))).toBeLessThan(1e-9);
      }
    }
  });

  test("adding a constant or scaling by a positive number keeps the ranking and nearly the values", () => {
    const rewards = [0.1, 0.9, 0.4, 0.3];
    const { values } = groupAdvantages(rewards, published);
    const moved = groupAdvantages(
      rewards.map((reward) => 100 * reward + 5),
      published,
    );
    expect(distance(moved.values, values)).toBeLessThan(1e-3);
  });

  test("a normalised small reward weighs as much as a large one only when normalised first", () => {
    const scores = [
      [0, 10],
      [0.01, 10],
      [0, 0],
      [0.01, 0],
    ];
    expect(sumThenNormalize(scores, [1, 1], published).values[0]).toBeGreaterThan(0.8);
    expect(normalizeThenSum(scores, [1, 1], published).values[0]).toBeCloseTo(0, 1);
    expect(normalizeThenSum(scores, [1, 1], published).values[1]).toBeGreaterThan(1.2);
  });

  test("refuses groups of one, broken groups and surplus weights, and says what to do", () => {
    expect(() => groupAdvantages([1], { ...published, groupSize: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: groupSize must be an integer of at least 2, got 1: with one completion every advantage is 0.]`,
    );
    expect(() =>
      groupAdvantages([1, 2, 3], { ...published, groupSize: 2 }),
    ).toThrowErrorMatchingInlineSnapshot(`[VlmR1Error: 3 rewards are not whole groups of 2.]`);
    expect(() =>
      sumThenNormalize([[1], [2]], [1, 2], { ...published, groupSize: 2 }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: 1 rewards but 2 weights: give one weight for each reward.]`,
    );
  });
});
