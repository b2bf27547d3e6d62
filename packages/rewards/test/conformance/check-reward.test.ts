import type { RewardFunction } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { checkReward } from "../../src/testing.ts";

const sample = { id: "1", prompt: "", images: [{ width: 10, height: 10 }], target: { box: [0, 0, 5, 5] } };
const small = { sample, range: [0, 1] as const, size: 2000, random: 50 };
let calls = 0;

describe("the exam", () => {
  test("passes a good reward", async () => {
    await checkReward(({ completion }) => (completion.includes("<answer>") ? 1 : 0), small);
  });

  const failing: readonly (readonly [
    what: string,
    reward: RewardFunction<typeof sample.target>,
    message: RegExp,
  ])[] = [
    ["throws", ({ completion }) => JSON.parse(completion) as number, /threw "Unexpected token/],
    [
      "returns no number",
      ({ completion }) => Number(completion),
      /returned NaN: a reward is a finite number/,
    ],
    ["leaves its range", () => 2, /returned 2, outside its range 0\.\.1/],
    ["is not deterministic", () => (calls++ === 0 ? 1 : (calls % 7) / 7), /must be deterministic/],
    [
      "changes its sample",
      ({ sample }) => ((sample as { id: string }).id = "2").length - 1,
      /changed its sample/,
    ],
    [
      "pays hostile text",
      ({ completion }) => (completion === "good" ? 0.5 : 1),
      /earned 1, more than the good completion's 0\.5/,
    ],
  ];

  test.each(failing)("fails a reward that %s", async (_, reward, message) => {
    await expect(checkReward(reward, { ...small, good: "good" })).rejects.toThrow(message);
  });

  test("fails a reward that is slow on long text", async () => {
    const quadratic: RewardFunction<unknown> = ({ completion }) => {
      let pairs = 0;
      for (let i = 0; i < completion.length; i++)
        for (let j = 0; j < i; j++) pairs += completion[i] === completion[j] ? 1 : 0;
      return pairs > 0 ? 1 : 0;
    };
    await expect(
      checkReward(quadratic, { ...small, size: 8000, random: 0, milliseconds: 10 }),
    ).rejects.toThrow(/ms for \d+ characters, more than 10 ms/);
  });
});
