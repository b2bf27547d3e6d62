import { createRng } from "@vlmr1/core";
import { type Engine, openEngine } from "@vlmr1/engine";
import type { Policy, PolicyLoss } from "@vlmr1/policy";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPolicy, type PolicyOptions } from "../../src/train/policy.ts";
import { descent } from "../fixtures/descent.ts";
import { distance, questions, randomNano } from "../fixtures/small-models.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine.dispose());

const loss: PolicyLoss = {
  key: "sum",
  needs: { entropies: false, reference: false },
  compute: ({ logProbs, mask }) => ({ loss: tf.sum(tf.mul(logProbs, mask)) as tf.Scalar, metrics: {} }),
};

const asked = (seed: number, forTraining: boolean) => ({
  count: 6,
  temperature: 1,
  maxNewTokens: 8,
  rng: createRng(seed),
  forTraining,
});

async function policies(options: PolicyOptions) {
  const exact = await createPolicy(await randomNano(engine), options);
  const quantised = await createPolicy(await randomNano(engine), { ...options, rolloutPrecision: "int8" });
  return { exact, quantised, samples: questions(2) };
}

/** Largest |log p said by the sampler - log p of the policy|. */
async function gap(policy: Policy, seed: number, forTraining = true): Promise<number> {
  const samples = questions(2);
  const completions = await policy.complete(samples, asked(seed, forTraining));
  const groups = samples.map((sample, i) => ({ sample, completions: completions[i]! }));
  const own = await policy.logProbs(groups, { temperature: 1 });
  return Math.max(
    ...completions.flatMap((group, i) => group.map(({ logProbs }, g) => distance(logProbs, own[i]![g]!))),
  );
}

describe.each(["lora", "all"] as const)("rollouts of quantised weights, training %s", (train) => {
  it("say so, and are drawn from nearly the policy; everything else is the exact policy", async () => {
    const { exact, quantised, samples } = await policies({ train });
    expect([exact.rolloutPrecision, quantised.rolloutPrecision]).toEqual([undefined, "int8"]);
    expect(await gap(exact, 1)).toBeLessThan(1e-4);
    const rollout = await gap(quantised, 1);
    expect(rollout).toBeGreaterThan(1e-4);
    expect(rollout).toBeLessThan(0.2);
    expect(await gap(quantised, 1, false)).toBeLessThan(1e-4);
    const ids = async (policy: Policy): Promise<number[][]> =>
      (await policy.complete(samples, asked(2, false))).flat().map(({ tokenIds }) => [...tokenIds]);
    expect(await ids(quantised)).toEqual(await ids(exact));
  });

  it("follow the weights that an update moved", async () => {
    const { quantised, samples } = await policies({ train });
    const before = await quantised.complete(samples, asked(3, true));
    const state = await quantised.snapshot();
    const rng = createRng(4);
    const parameters = state["parameters"]!.map((value) => value + 0.02 * rng.normal());
    await quantised.restore({ ...state, parameters });
    expect(await gap(quantised, 3)).toBeLessThan(0.2);
    const after = await quantised.complete(samples, asked(3, true));
    const logProbs = (groups: typeof before): number[] =>
      groups.flat().flatMap((each) => each.logProbs.slice(0, 2));
    expect(distance(logProbs(before), logProbs(after))).toBeGreaterThan(1e-3);
    const groups = samples.map((sample, i) => ({
      sample,
      completions: after[i]!,
      advantages: after[i]!.map(() => 1),
    }));
    const totals = { completions: 12, tokens: 96, maxNewTokens: 8 };
    await quantised.accumulate({ groups, totals, temperature: 1, microBatches: 1, rng: createRng(0) }, loss);
    await quantised.apply(descent, { learningRate: 1e-4, step: 0 });
    expect(await gap(quantised, 5)).toBeLessThan(0.2);
  });
});
