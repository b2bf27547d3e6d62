import { createRng, type Completion } from "@vlmr1/core";
import { openEngine, type Engine } from "@vlmr1/engine";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPolicy, type PolicyOptions } from "../../src/train/policy.ts";
import type { Policy, PolicyLoss, TrainingGroup } from "@vlmr1/policy";
import { descent } from "../fixtures/descent.ts";
import { distance, questions, randomNano } from "../fixtures/small-models.ts";

let engine: Engine;
beforeEach(async () => {
  engine = await openEngine({ threads: 2 });
});
afterEach(() => engine.dispose());

const loss: PolicyLoss = {
  key: "sum of squares",
  needs: { entropies: false, reference: false },
  compute: ({ logProbs, advantages, mask }) => ({
    loss: tf.sum(tf.mul(tf.mul(tf.square(logProbs), mask), tf.reshape(advantages, [-1, 1]))) as tf.Scalar,
    metrics: {},
  }),
};

const samples = questions(3);

async function rollout(policy: Policy, forTraining = true): Promise<TrainingGroup[]> {
  const request = { count: 4, rng: createRng(5), maxNewTokens: 12, stop: ["e", "a", "1"], forTraining };
  const answers = await policy.complete(samples, request);
  return samples.map((sample, p) => ({
    sample,
    completions: answers[p] as readonly Completion[],
    advantages: [1, -0.5, 0.25, -1],
  }));
}

/** The same tokens in other arrays: nothing is known of them. */
const unknown = (groups: readonly TrainingGroup[]): TrainingGroup[] =>
  groups.map((group) => ({
    ...group,
    completions: group.completions.map(({ tokenIds }) => ({ tokenIds: [...tokenIds] })),
  }));

/** Log-probabilities and gradient of micro-batches. */
async function update(policy: Policy, batches: readonly (readonly TrainingGroup[])[], learningRate = 0) {
  const logProbs: number[] = [];
  for (const groups of batches) {
    const totals = { completions: 12, tokens: 100, maxNewTokens: 12 };
    const batch = { groups, totals, temperature: 1, microBatches: batches.length, rng: createRng(0) };
    const report = await policy.accumulate(batch, loss);
    logProbs.push(...report.logProbs.flat().flatMap((values) => [...values]));
  }
  await policy.apply(descent, { learningRate, step: 0 });
  return { logProbs, gradient: (await policy.snapshot())["optimizer/gradient"] as Float32Array };
}

type Update = Awaited<ReturnType<typeof update>>;

function expectSame(a: Update, b: Update): void {
  const largest = b.gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(largest).toBeGreaterThan(1e-3);
  expect(distance(a.gradient, b.gradient)).toBeLessThan(1e-5 * largest);
  expect(distance(a.logProbs, b.logProbs)).toBeLessThan(1e-5);
}

/** Operations of the gradient programs, fewest first. */
const gradientSizes = (): number[] =>
  engine
    .describe()
    .programs.filter(({ name }) => name.startsWith("gradient of "))
    .map(({ operations }) => operations)
    .toSorted((a, b) => a - b);

const policyOf = async (options: PolicyOptions): Promise<Policy> =>
  createPolicy(await randomNano(engine), options);

describe("an update after a rollout", () => {
  it.each(["language", "lora"] as const)(
    "of %s skips the forward pass of the answers: the same log-probabilities and gradient",
    async (train) => {
      const policy = await policyOf({ train });
      const groups = await rollout(policy);
      const lengths = groups.flatMap(({ completions }) => completions.map(({ tokenIds }) => tokenIds.length));
      expect(new Set(lengths).size).toBeGreaterThan(2);
      const known = await update(policy, [groups]);
      const computed = await update(policy, [unknown(groups)]);
      expectSame(known, computed);
      const [fewer, all] = gradientSizes() as [number, number];
      expect(all - fewer).toBeGreaterThanOrEqual(21); // the products of seven linear layers in three decoder layers
    },
  );

  it("takes parts of it in any order", async () => {
    const policy = await policyOf({ train: "language" });
    const [a, b, c] = (await rollout(policy)) as [TrainingGroup, TrainingGroup, TrainingGroup];
    const fewer = { ...b, completions: b.completions.slice(1, 3), advantages: [1, -1] };
    const known = await update(policy, [[c, a], [fewer]]);
    expect(gradientSizes()).toHaveLength(2);
    const computed = await update(policy, [unknown([c, a]), unknown([fewer])]);
    expect(gradientSizes()).toHaveLength(4);
    expectSame(known, computed);
  });

  it("takes nothing of an earlier, longer rollout in the same memory", async () => {
    const policy = await policyOf({ train: "language" });
    await policy.complete(samples, { count: 4, rng: createRng(9), maxNewTokens: 16, forTraining: true });
    const groups = await rollout(policy);
    expectSame(await update(policy, [groups]), await update(policy, [unknown(groups)]));
  });

  it("computes everything when the same answers are given to another prompt", async () => {
    const policy = await policyOf({ train: "language" });
    const [a, b, c] = (await rollout(policy)) as [TrainingGroup, TrainingGroup, TrainingGroup];
    const turned = [a, { ...b, sample: c.sample }, { ...c, sample: b.sample }];
    expectSame(await update(policy, [turned]), await update(policy, [unknown(turned)]));
  });

  it("computes everything once weights have changed", async () => {
    const policy = await policyOf({ train: "language" });
    const groups = await rollout(policy);
    const before = await update(policy, [groups], 0.02);
    const again = await update(policy, [groups]);
    expect(distance(again.logProbs, before.logProbs)).toBeGreaterThan(1e-3);
    expectSame(again, await update(policy, [unknown(groups)]));
  });

  it("computes everything after a restored snapshot", async () => {
    const policy = await policyOf({ train: "language" });
    const start = await policy.snapshot();
    await update(policy, [await rollout(policy)], 0.02);
    const groups = await rollout(policy);
    await policy.restore(start);
    expectSame(await update(policy, [groups]), await update(policy, [unknown(groups)]));
  });

  it.each<[string, PolicyOptions, boolean]>([
    ["answers that are not for training", { train: "language" }, false],
    ["rolloutMemory 0", { train: "language", rolloutMemory: 0 }, true],
    ["rolloutMemory that is too small", { train: "language", rolloutMemory: 100_000 }, true],
    ["checkpointing", { train: "language", gradientCheckpointing: true }, true],
    ["dropout", { train: "lora", lora: { dropout: 0.1 } }, true],
  ])("keeps nothing with %s", async (_, options, forTraining) => {
    const policy = await policyOf(options);
    const groups = await rollout(policy, forTraining);
    await update(policy, [groups]);
    await update(policy, [unknown(groups)]);
    expect(gradientSizes()).toHaveLength(1);
  });
});
