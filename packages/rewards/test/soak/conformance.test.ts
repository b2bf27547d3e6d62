import type { RewardFunction } from "@vlmr1/core";
import { expect, test } from "vitest";
import { checkReward } from "../../src/testing.ts";
import { builtInRewards } from "../built-in-rewards.ts";
import { scoreRandom } from "../score-random.ts";

test.each(builtInRewards)(
  "$name passes the exam with a megabyte of everything",
  async ({ reward, sample, range, good }) => {
    await checkReward(reward as RewardFunction, { sample, range, good });
  },
);

test("a million random completions never make a reward throw or leave its range", () => {
  expect(scoreRandom(1_000_000)).toEqual([]);
});
