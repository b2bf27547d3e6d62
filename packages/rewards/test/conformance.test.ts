import { readFileSync, readdirSync } from "node:fs";
import { createRng, type RewardFunction } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import * as rewards from "../src/index.ts";
import { checkReward, randomCompletions } from "../src/testing.ts";
import { builtInRewards } from "./built-in-rewards.ts";

describe("every built-in reward", () => {
  test.each(builtInRewards)("$name passes the exam", async ({ reward, sample, range, good }) => {
    // One megabyte of each hostile kind runs in test:soak; a fifth of it shows what is not linear just as well.
    await checkReward(reward as RewardFunction, { sample, range, good, size: 200_000, random: 300 });
  });

  test.each(builtInRewards)(
    "$name earns the top of its range for a good answer",
    async ({ reward, sample, range, good }) => {
      const value = await (reward as RewardFunction)({ completion: good, sample });
      expect(value).toBeCloseTo(Math.min(1, range[1]), 3);
    },
  );

  test("is in the table", () => {
    const tested = builtInRewards.map((row) => row.name.split(" ")[0]);
    const exported = Object.keys(rewards).filter((name) =>
      /Reward$|^iouAtLeast$|^pointInBox$|^giouBelow$/.test(name),
    );
    expect(exported.filter((name) => name !== "judgeReward" && !tested.includes(name))).toEqual([]);
  });
});

test("random completions never make a reward throw, leave its range or return something that is no number", async () => {
  // 16 000 completions through each reward: a million scores. A million completions run in test:soak.
  await scoreRandom(16_000);
});

/** Scores random completions with every built-in reward. */
export async function scoreRandom(count: number): Promise<void> {
  const completions = randomCompletions(createRng(7).fork("completions"));
  for (let i = 0; i < count; i++) {
    const completion = completions.next().value as string;
    for (const { name, reward, sample, range } of builtInRewards) {
      const value = (reward as RewardFunction)({ completion, sample });
      if (
        typeof value !== "number" ||
        !Number.isFinite(value) ||
        value < range[0] - 1e-12 ||
        value > range[1] + 1e-12
      ) {
        expect.fail(`${name} returned ${String(value)} for ${JSON.stringify(completion)}`);
      }
    }
  }
}
