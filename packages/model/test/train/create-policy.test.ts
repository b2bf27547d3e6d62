import { createRng, type Sample } from "@vlmr1/core";
import { openEngine, type Engine } from "@vlmr1/engine";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mergeAdapter } from "../../src/lora/adapter.ts";
import type { Model } from "../../src/model.ts";
import { createPolicy, type PolicyOptions, sampleMessages } from "../../src/train/policy.ts";
import type { Policy, PolicyLoss, PolicyState, TrainingBatch, TrainingGroup } from "@vlmr1/policy";
import { descent } from "../fixtures/descent.ts";
import { distance, questions, randomNano } from "../fixtures/small-models.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
});
afterAll(() => engine.dispose());

/** sum_it A_i w_it log p_it, so that every advantage and mask is felt. */
const weightedSum: PolicyLoss = {
  key: "weighted sum",
  needs: { entropies: true, reference: false },
  compute: ({ logProbs, advantages, mask, totalTokens }) => ({
    loss: tf.div(
      tf.sum(tf.mul(tf.mul(logProbs, mask), tf.reshape(advantages, [-1, 1]))),
      totalTokens,
    ) as tf.Scalar,
    metrics: { tokens: tf.sum(mask) as tf.Scalar },
  }),
};

const answer = (seed: number, length: number): number[] => {
  const rng = createRng(seed);
  return Array.from({ length }, () => 7 + rng.integer(200));
};

/** Groups with answers of different lengths. */
function groupsOf(samples: readonly Sample[], size: number): TrainingGroup[] {
  return samples.map((sample, p) => ({
    sample,
    completions: Array.from({ length: size }, (_, g) => ({
      tokenIds: answer(10 * p + g, 3 + ((p + 2 * g) % 6)),
    })),
    advantages: Array.from({ length: size }, (_, g) => g - 0.7),
  }));
}

function batchOf(groups: readonly TrainingGroup[], tokens = 50): TrainingBatch {
  const totals = { completions: 6, tokens, maxNewTokens: 8 };
  return { groups, totals, temperature: 0.9, microBatches: 1, rng: createRng(0) };
}

/** Loss, log-probabilities and gradient of batches that add up. */
async function gradientOf(policy: Policy, batches: readonly TrainingBatch[]) {
  const reports = [];
  for (const batch of batches) reports.push(await policy.accumulate(batch, weightedSum));
  const { gradientNorm } = await policy.apply(descent, { learningRate: 0, step: 0 });
  const gradient = (await policy.snapshot())["optimizer/gradient"] as Float32Array;
  const logProbs = reports.flatMap((report) => report.logProbs.flat()).flatMap((values) => [...values]);
  return { loss: reports.reduce((sum, { loss }) => sum + loss, 0), gradient, gradientNorm, logProbs };
}

async function policyOf(options: PolicyOptions): Promise<Policy> {
  return createPolicy(await randomNano(engine), options);
}

/** Whether two snapshots hold the same bits. */
const sameState = (a: PolicyState, b: PolicyState): boolean =>
  Object.keys(a).join() === Object.keys(b).join() &&
  Object.entries(a).every(([name, values]) => distance(values, b[name] ?? []) === 0);

const scale = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describe("createPolicy", () => {
  it("computes a shared prompt exactly as separate prompts: log-probabilities, loss and gradients", async () => {
    const groups = groupsOf(questions(2), 3);
    const apart = groups.flatMap(({ sample, completions, advantages }) =>
      completions.map((completion, g) => ({
        sample,
        completions: [completion],
        advantages: [advantages[g] as number],
      })),
    );
    const policy = await policyOf({ train: "all" });
    const shared = await gradientOf(policy, [batchOf(groups)]);
    const naive = await gradientOf(policy, [batchOf(apart)]);
    expect(distance(shared.logProbs, naive.logProbs)).toBeLessThan(1e-5);
    expect(shared.loss).toBeCloseTo(naive.loss, 5);
    expect(distance(shared.gradient, naive.gradient) / scale(naive.gradient)).toBeLessThan(1e-5);
  });

  it("gives the log-probabilities of a plain pass over prompt and answer", async () => {
    const model = await randomNano(engine);
    const policy = await createPolicy(model, { train: "language" });
    const groups = groupsOf(questions(2), 2);
    const all = await policy.logProbs(groups, { temperature: 1 });
    for (const [p, { sample, completions }] of groups.entries()) {
      const prompt = model.preprocess({ messages: sampleMessages(sample), images: sample.images });
      for (const [g, { tokenIds }] of completions.entries()) {
        const { data, shape } = await model.logits(prompt, tokenIds);
        const plain = tokenIds.map((id, t) => {
          const row = data.subarray(
            (prompt.ids.length - 1 + t) * shape[1],
            (prompt.ids.length + t) * shape[1],
          );
          const top = row.reduce((a, b) => Math.max(a, b));
          return (
            (row[id] as number) - top - Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0))
          );
        });
        expect(distance(all[p]?.[g] ?? [], plain)).toBeLessThan(1e-5);
      }
    }
  });

  it("adds the gradients of micro-batches, and checkpointing or padding changes nothing", async () => {
    const groups = groupsOf(questions(3), 2);
    const plain = await gradientOf(await policyOf({ train: "all" }), [batchOf(groups)]);
    const checkpointed = await policyOf({ train: "all", gradientCheckpointing: true });
    const parts = groups.map((group) => batchOf([group]));
    for (const again of [
      await gradientOf(checkpointed, [batchOf(groups)]),
      await gradientOf(checkpointed, parts),
    ]) {
      expect(again.loss).toBeCloseTo(plain.loss, 5);
      expect(distance(again.gradient, plain.gradient) / scale(plain.gradient)).toBeLessThan(1e-5);
    }
  });

  it("answers the same as the model that it trains, with the weights of this moment", async () => {
    const model = await randomNano(engine);
    const policy = await createPolicy(model, { train: "language" });
    const samples = questions(2);
    const request = { count: 2, rng: createRng(4), maxNewTokens: 6, temperature: 1 };
    const first = await policy.complete(samples, request);
    await policy.accumulate(batchOf(groupsOf(samples, 2)), weightedSum);
    await policy.apply(descent, { learningRate: 0.5, step: 0 });
    const second = await policy.complete(samples, request);
    expect(second).not.toEqual(first);
    const prompts = samples.map((sample) =>
      model.preprocess({ messages: sampleMessages(sample), images: sample.images }),
    );
    const own = await model.generate(prompts, { ...request, topK: 0, topP: 1 });
    expect(own.flat().map(({ tokenIds }) => tokenIds)).toEqual(second.flat().map(({ tokenIds }) => tokenIds));
    const scored = await policy.logProbs(
      samples.map((sample, i) => ({ sample, completions: second[i] ?? [] })),
      { temperature: 1 },
    );
    second
      .flat()
      .forEach(({ logProbs }, i) => expect(distance(scored.flat()[i] ?? [], logProbs)).toBeLessThan(1e-5));
  });

  it("keeps the first weights as reference in full training, and the bare model with an adapter", async () => {
    const groups = groupsOf(questions(2), 2);
    for (const options of [{ train: "language" }, { train: "lora", lora: { rank: 4 } }] as const) {
      const policy = await policyOf(options);
      const before = await policy.logProbs(groups, { temperature: 1 });
      for (let step = 0; step < 2; step++) {
        await policy.accumulate(batchOf(groups), weightedSum);
        await policy.apply(descent, { learningRate: 1, step });
      }
      const after = await policy.logProbs(groups, { temperature: 1 });
      const reference = await policy.referenceLogProbs(groups, { temperature: 1 });
      expect(distance(after.flat()[0] ?? [], before.flat()[0] ?? [])).toBeGreaterThan(1e-3);
      reference
        .flat()
        .forEach((values, i) => expect(distance(values, before.flat()[i] ?? [])).toBeLessThan(1e-6));
      await policy.syncReference(1);
      const synced = await policy.referenceLogProbs(groups, { temperature: 1 });
      synced
        .flat()
        .forEach((values, i) => expect(distance(values, after.flat()[i] ?? [])).toBeLessThan(1e-6));
    }
  });

  it("trains an adapter of the output head: its gradient is the slope of the loss, and answers follow it", async () => {
    const model = await randomNano(engine); // its head is tied to the embedding
    const policy = await createPolicy(model, {
      train: "lora",
      lora: { rank: 3, targets: ["lm_head", "q_proj"] },
    });
    expect(model.adapter?.modules.map(({ name }) => name)).toContain("lm_head");
    const groups = groupsOf(questions(2), 2);
    await gradientOf(policy, [batchOf(groups)]);
    await policy.accumulate(batchOf(groups), weightedSum);
    await policy.apply(descent, { learningRate: 0.5, step: 1 }); // B is no longer zero
    const at = await policy.snapshot();
    const { gradient, loss } = await gradientOf(policy, [batchOf(groups)]);
    const size = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    const moved = async (by: number): Promise<number> => {
      const parameters = (at["parameters"] as Float32Array).map(
        (value, i) => value + (by * gradient[i]!) / size,
      );
      await policy.restore({ ...at, parameters });
      return (await gradientOf(policy, [batchOf(groups)])).loss;
    };
    const slope = ((await moved(0.01)) - (await moved(-0.01))) / 0.02;
    expect(slope / size).toBeCloseTo(1, 2);
    expect(loss).not.toBeCloseTo(await moved(0.01), 4);
    const [answers] = await policy.complete(questions(1), {
      count: 2,
      rng: createRng(4),
      maxNewTokens: 6,
      temperature: 1,
    });
    const scored = await policy.logProbs([{ sample: questions(1)[0]!, completions: answers ?? [] }], {
      temperature: 1,
    });
    answers?.forEach(({ logProbs }, i) =>
      expect(distance(scored[0]?.[i] ?? [], logProbs)).toBeLessThan(1e-5),
    );
    await expect(mergeAdapter(model)).rejects.toThrow(/tied to the embedding/);
  });

  it("moves a reference part of the way, but not towards an adapter", async () => {
    const adapted = await policyOf({ train: "lora", lora: { rank: 2 } });
    await expect(adapted.syncReference(0.5)).rejects.toThrow(/without adapter/);
    await expect(adapted.syncReference(2)).rejects.toMatchObject({ code: "invalid-argument" });
    const policy = await policyOf({ train: "language" });
    await policy.accumulate(batchOf(groupsOf(questions(1), 2)), weightedSum);
    const start = (await policy.snapshot())["parameters"] as Float32Array;
    await policy.apply(descent, { learningRate: 1, step: 0 });
    await policy.syncReference(0.25);
    const { parameters, reference } = await policy.snapshot();
    const middle = start.map((value, i) => 0.75 * value + 0.25 * ((parameters as Float32Array)[i] as number));
    expect(distance(reference as Float32Array, middle)).toBeLessThan(1e-6);
  });

  it("continues from a snapshot bit for bit", async () => {
    const groups = groupsOf(questions(2), 2);
    const steps = async (policy: Policy, from: number) => {
      for (let step = from; step < from + 2; step++) {
        await policy.accumulate(batchOf(groups), weightedSum);
        await policy.apply(descent, { learningRate: 0.1, step });
      }
      return policy.snapshot();
    };
    const first = await policyOf({ train: "language" });
    const middle = await steps(first, 0);
    const end = await steps(first, 2);
    const second = await policyOf({ train: "language" });
    await second.restore(middle);
    expect(sameState(await steps(second, 2), end)).toBe(true);
    expect(sameState(end, middle)).toBe(false);
  });

  it("refuses the state of another policy and changes nothing", async () => {
    const policy = await policyOf({ train: "language" });
    const before = await policy.snapshot();
    for (const wrong of [
      {},
      { parameters: new Float32Array(3) },
      { ...before, extra: before["parameters"] as Float32Array },
    ]) {
      await expect(policy.restore(wrong)).rejects.toMatchObject({ code: "invalid-data" });
    }
    expect(sameState(await policy.snapshot(), before)).toBe(true);
  });

  it("clips by the global norm and leaves everything alone when the gradient is not finite", async () => {
    const policy = await policyOf({ train: "language" });
    const groups = groupsOf(questions(1), 2);
    await policy.accumulate(batchOf(groups), weightedSum);
    const clipped = await policy.apply(descent, { learningRate: 0, step: 0, maxGradientNorm: 1e-3 });
    const gradient = (await policy.snapshot())["optimizer/gradient"] as Float32Array;
    const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    expect(norm).toBeCloseTo((clipped.gradientNorm * 1e-3) / (clipped.gradientNorm + 1e-6), 6);
    const before = await policy.snapshot();
    const broken = groups.map((group) => ({ ...group, advantages: [NaN, 1] }));
    const { loss } = await policy.accumulate(batchOf(broken), weightedSum);
    expect(loss).toBeNaN();
    const outcome = await policy.apply(descent, { learningRate: 1, step: 1 });
    expect(outcome.applied).toBe(false);
    expect(sameState(await policy.snapshot(), before)).toBe(true);
    await expect(policy.apply(descent, { learningRate: 1, step: 1 })).rejects.toThrow(/accumulate/);
  });

  it("trains only what it was told to", async () => {
    const model: Model = await randomNano(engine);
    const policy = await createPolicy(model, {
      train: ["*.layers.1.mlp.*", "model.language_model.norm.weight"],
    });
    const { parameters } = await policy.snapshot();
    expect(parameters).toHaveLength(3 * 96 * 288 + 96);
    await expect(createPolicy(model, { train: ["*.nothing"] })).rejects.toThrow(/matches no parameter/);
  });

  it("refuses empty groups, empty answers and unknown tokens", async () => {
    const policy = await policyOf({ train: "language" });
    const [sample] = questions(1) as [Sample];
    for (const tokenIds of [[], [224], [-1], [1.5]]) {
      const group = { sample, completions: [{ tokenIds }] };
      await expect(policy.logProbs([group], { temperature: 1 })).rejects.toMatchObject({
        code: "invalid-argument",
      });
    }
    await expect(policy.logProbs([{ sample, completions: [] }], { temperature: 1 })).rejects.toThrow(
      /no completions/,
    );
    expect(await policy.logProbs([], { temperature: 1 })).toEqual([]);
  });

  it("says how much the weights grew, whatever restored them in between", async () => {
    const policy = await policyOf({ train: "all" });
    const start = await policy.snapshot();
    const norm = ({ parameters }: PolicyState): number =>
      Math.sqrt((parameters ?? new Float32Array()).reduce((sum, v) => sum + v * v, 0));
    const updateBy = async (learningRate: number) => {
      await policy.accumulate(batchOf(groupsOf(questions(1), 2)), weightedSum);
      return policy.apply(descent, { learningRate, step: 0 });
    };
    expect((await updateBy(1e-3)).weightGrowth).toBeCloseTo(1, 3);
    const grown = await updateBy(1e6);
    expect(grown.weightGrowth).toBeGreaterThan(100);
    const after = norm(await policy.snapshot());
    await policy.restore(start);
    expect((await updateBy(0)).weightGrowth).toBe(1);
    expect(after / norm(start)).toBeGreaterThan(100);
  });

  it("adds what other processes have to the gradient, and offers zeros when it has none", async () => {
    const groups = groupsOf(questions(2), 3);
    const whole = await gradientOf(await policyOf({ train: "all" }), [batchOf(groups)]);
    const parts: Float32Array[] = [];
    for (const share of [[groups[0]!], [groups[1]!], []]) {
      const policy = await policyOf({ train: "all" });
      if (share.length > 0) await policy.accumulate(batchOf(share), weightedSum);
      const combineGradient = async (gradient: Float32Array): Promise<void> => {
        parts.push(gradient.slice());
        parts.slice(0, -1).forEach((part) => part.forEach((value, i) => (gradient[i]! += value)));
      };
      const { gradientNorm } = await policy.apply(descent, { learningRate: 0, step: 0, combineGradient });
      if (parts.length < 2) continue;
      expect(gradientNorm).toBeCloseTo(whole.gradientNorm, 4);
      const combined = (await policy.snapshot())["optimizer/gradient"] as Float32Array;
      expect(distance(combined, whole.gradient)).toBeLessThan(1e-5);
    }
    expect(parts[2]!.every((value) => value === 0)).toBe(true);
  });
});
