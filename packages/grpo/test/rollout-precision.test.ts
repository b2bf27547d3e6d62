import "@tensorflow/tfjs"; // a backend for tablePolicy
import { createRng } from "@vlmr1/core";
import type { Policy } from "@vlmr1/policy";
import { tablePolicy } from "@vlmr1/policy/testing";
import { expect, test } from "vitest";
import { grpoLoss } from "../src/loss/grpo.ts";
import { train } from "../src/train.ts";
import { fakeDataset } from "./fake-dataset.ts";

/** A policy whose completions are drawn at random for ever, as if its quantised weights stayed behind. */
function driftingPolicy(): Policy {
  const random = createRng(9);
  const words = ["a", "b", "c", "d"];
  const policy = tablePolicy();
  return {
    ...policy,
    rolloutPrecision: "int8",
    complete: async (samples, { count, forTraining, ...rest }) =>
      forTraining
        ? samples.map(() =>
            Array.from({ length: count }, () => {
              const id = random.integer(4);
              return {
                text: words[id]!,
                tokenIds: [id],
                logProbs: [Math.log(0.25)],
                finishReason: "stop" as const,
              };
            }),
          )
        : policy.complete(samples, { count, ...rest }),
  };
}

test("what a policy draws from quantised weights is corrected by default, and the gap is measured", async () => {
  const policy = driftingPolicy();
  let gap = 0;
  for await (const report of train({
    policy,
    dataset: fakeDataset(1),
    score: async ({ completion }) => ({ total: completion === "b" ? 1 : 0, scores: {} }),
    loss: grpoLoss({ beta: 0 }),
    config: { steps: 30, promptsPerStep: 2, groupSize: 16, maxNewTokens: 1, learningRate: 0.2 },
  })) {
    expect(report.metrics["policy/sampler-ratio"]).toBeDefined();
    gap = report.metrics["sampler/log-prob-gap"] as number;
  }
  const [group] = await policy.complete([{ id: "0", prompt: "", images: [], target: undefined }], {
    count: 200,
    rng: createRng(0),
  });
  expect((group ?? []).filter(({ text }) => text === "b").length).toBeGreaterThan(180);
  expect(gap).toBeGreaterThan(1);
});
