import type { RewardFunction } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import * as rewards from "../src/index.ts";
import { checkReward } from "../src/testing.ts";
import { builtInRewards } from "./built-in-rewards.ts";
import { scoreRandom } from "./score-random.ts";

describe("every built-in reward", () => {
  // A megabyte of each hostile kind runs in test:soak; a tenth, in a tenth of the time, shows what is not linear just as well.
  test.each(builtInRewards)("$name passes the exam", async ({ reward, sample, range, good }) => {
    await checkReward(reward as RewardFunction, {
      sample,
      range,
      good,
      size: 50_000,
      milliseconds: 50,
      random: 200,
    });
  });

  test.each(builtInRewards)(
    "$name earns the top of its range for a good answer",
    async ({ reward, sample, range, good }) => {
      const value = await (reward as RewardFunction)({ completion: good, sample });
      expect(value).toBeCloseTo(Math.min(1, range[1]), 3);
    },
  );

  test("is in the table", () => {
    const tested = new Set(builtInRewards.map((row) => row.name.split(" ")[0]));
    const exported = Object.keys(rewards).filter((name) =>
      /Reward$|^iouAtLeast$|^pointInBox$|^giouBelow$/.test(name),
    );
    expect(exported.filter((name) => name !== "judgeReward" && !tested.has(name))).toEqual([]); // the judge has a test of its own
  });
});

test("random completions never make a reward throw, leave its range or return something that is no number", () => {
  // 10 000 completions through every reward; a million run in test:soak.
  expect(scoreRandom(10_000)).toEqual([]);
});
