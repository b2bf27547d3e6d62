import * as tf from "@tensorflow/tfjs";
import type { ScoreFunction } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { grpoLoss } from "../src/losses/grpo.ts";
import { adamW } from "../src/optimizers/adam.ts";
import { train } from "../src/train.ts";
import { fakeDataset, fakePolicy } from "./fake-policy.ts";

const bandit: ScoreFunction = async ({ completion }) => {
  const right = completion === "c" ? 1 : 0;
  return { total: right, scores: { right } };
};

describe("train", () => {
  test("learns a four-answer bandit in under a second", async () => {
    const begin = performance.now();
    const policy = fakePolicy();
    let last = 0;
    for await (const report of train({
      policy,
      dataset: fakeDataset(1),
      score: bandit,
      loss: grpoLoss({ beta: 0 }),
      optimizer: adamW(),
      config: { steps: 30, promptsPerStep: 2, groupSize: 8, maxNewTokens: 1, learningRate: 0.3 },
    })) {
      last = report.metrics["reward/mean"] as number;
    }
    const seconds = (performance.now() - begin) / 1000;
    expect(last).toBe(1);
    expect(seconds).toBeLessThan(1);
    expect(tf.memory().numTensors).toBe(0);
  });
});
