import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { type Engine, openEngine, type Precision } from "@vlmr1/engine";
import type { PolicyLoss, TrainingBatch, TrainingGroup } from "@vlmr1/policy";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel } from "../../src/create.ts";
import { nano } from "../../src/families/nano.ts";
import { loadModel } from "../../src/load.ts";
import type { Model } from "../../src/model.ts";
import { createPolicy, sampleMessages } from "../../src/train/policy.ts";
import { descent } from "../fixtures/descent.ts";
import { distance, questions } from "../fixtures/small-models.ts";

let engine: Engine;
let root: string;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
  root = mkdtempSync(join(tmpdir(), "vlmr1-precision-"));
  const model = await createModel(nano(), { engine, rng: createRng(3) });
  await model.save(join(root, "exact"));
  await model.dispose();
  // what the rounded models compute with, as ordinary float32 checkpoints
  for (const precision of ["int8", "int4", "bfloat16"] as const) {
    const rounded = await loadModel(join(root, "exact"), { engine, precision });
    await rounded.save(join(root, precision));
    await rounded.dispose();
  }
});
afterAll(async () => {
  await engine.dispose();
  rmSync(root, { recursive: true });
});

const pair = async (precision: Precision): Promise<[stored: Model, widened: Model]> => [
  await loadModel(join(root, "exact"), { engine, precision }),
  await loadModel(join(root, precision), { engine }),
];

const batchOf = (groups: readonly TrainingGroup[]): TrainingBatch => ({
  groups,
  totals: { completions: 6, tokens: 40, maxNewTokens: 8 },
  temperature: 0.9,
  microBatches: 1,
  rng: createRng(0),
});

const groups = (): TrainingGroup[] =>
  questions(2).map((sample, p) => ({
    sample,
    completions: [0, 1, 2].map((g) => ({ tokenIds: [9 + p, 20 + g, 31, 12 + 7 * g].slice(0, 4 - g) })),
    advantages: [1, -0.4, 0.7],
  }));

const loss: PolicyLoss = {
  key: "weighted sum",
  needs: { entropies: false, reference: false },
  compute: ({ logProbs, advantages, mask }) => ({
    loss: tf.sum(tf.mul(tf.mul(logProbs, mask), tf.reshape(advantages, [-1, 1]))) as tf.Scalar,
    metrics: {},
  }),
};

/** Policy over a frozen base whose adapter is not zero, so that every product has a gradient. */
async function adapted(model: Model) {
  const policy = await createPolicy(model, { lora: { rank: 4 }, rng: createRng(5) });
  const state = await policy.snapshot();
  const rng = createRng(6);
  const parameters = (state["parameters"] as Float32Array).map((value) => value + 0.05 * rng.normal());
  await policy.restore({ ...state, parameters });
  return { policy, parameters };
}

async function gradientOf(model: Model) {
  const { policy, parameters } = await adapted(model);
  const report = await policy.accumulate(batchOf(groups()), loss);
  await policy.apply(descent, { learningRate: 0, step: 0 });
  const gradient = (await policy.snapshot())["optimizer/gradient"] as Float32Array;
  return { gradient, loss: report.loss, policy, parameters };
}

const largest = (values: Float32Array): number => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

describe("a model whose weights are stored in few bits", () => {
  it("says what was rounded, and by how much", async () => {
    const model = await loadModel(join(root, "exact"), { engine, precision: "int4" });
    const exact = await loadModel(join(root, "exact"), { engine });
    const { stored, specs } = model.parameters;
    const kept = specs.filter(({ name }) => !stored.has(name));
    expect(kept.every(({ name, shape }) => shape.length !== 2 || name.includes("pos_embed"))).toBe(true);
    for (const [name, { precision, relative, largest }] of stored) {
      const tensor = model.parameters.get(name);
      expect(tensor.precision).toBe(precision);
      expect(precision).toBe(name.endsWith("embed_tokens.weight") ? "int8" : "int4");
      const [a, b] = [await tensor.read(), await exact.parameters.get(name).read()];
      expect(largest).toBe(distance(a, b));
      expect(relative).toBeGreaterThan(precision === "int8" ? 0.002 : 0.05);
      expect(relative).toBeLessThan(precision === "int8" ? 0.008 : 0.12);
    }
    expect(stored.size).toBeGreaterThan(20);
    expect(exact.parameters.stored.size).toBe(0);
  });

  it.each(["int8", "int4", "bfloat16"] as const)(
    "%s: logits are those of the widened weights",
    async (precision) => {
      const [stored, widened] = await pair(precision);
      const [question] = questions(1);
      const prompt = widened.preprocess({ messages: sampleMessages(question!), images: question!.images });
      const [a, b] = [await stored.logits(prompt, [9, 30]), await widened.logits(prompt, [9, 30])];
      expect(distance(a.data, b.data)).toBeLessThan(2e-5);
    },
  );

  it.each(["int8", "int4"] as const)(
    "%s: an adapter's gradient is that over the widened weights",
    async (precision) => {
      const [stored, widened] = await pair(precision);
      const [a, b] = [await gradientOf(stored), await gradientOf(widened)];
      expect(a.loss).toBeCloseTo(b.loss, 4);
      expect(distance(a.gradient, b.gradient) / largest(b.gradient)).toBeLessThan(1e-5);
    },
  );

  it("int4: the gradient is the slope of the loss", async () => {
    const [stored] = await pair("int4");
    const { gradient, policy, parameters } = await gradientOf(stored);
    const rng = createRng(11);
    const direction = Float32Array.from(gradient, () => rng.normal());
    const step = 1e-3;
    const lossAt = async (sign: number): Promise<number> => {
      const state = await policy.snapshot();
      const moved = parameters.map((value, i) => value + sign * step * direction[i]!);
      await policy.restore({ ...state, parameters: moved });
      const report = await policy.accumulate(batchOf(groups()), loss);
      policy.discard();
      return report.loss;
    };
    const slope = ((await lossAt(1)) - (await lossAt(-1))) / (2 * step);
    const wanted = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0);
    expect(Math.abs(slope / wanted - 1)).toBeLessThan(0.01);
  });

  it("writes answers of the same words whether weights are few or many bits wide, seldom others", async () => {
    const exact = await loadModel(join(root, "exact"), { engine });
    const stored = await loadModel(join(root, "exact"), { engine, precision: "int8" });
    const [question] = questions(1);
    const prompt = exact.preprocess({ messages: sampleMessages(question!), images: question!.images });
    const plain = { count: 8, rng: createRng(1), temperature: 1, maxNewTokens: 12, stopTokenIds: [] };
    const [a] = await exact.generate([prompt], plain);
    const [b] = await stored.generate([prompt], { ...plain, rng: createRng(1) });
    const first = a!.map(({ tokenIds }, i) => Number(tokenIds[0] === b![i]!.tokenIds[0]));
    expect(first.reduce((sum, same) => sum + same)).toBeGreaterThanOrEqual(6);
    a!.forEach(({ tokenIds, logProbs }, i) => {
      if (tokenIds[0] === b![i]!.tokenIds[0])
        expect(Math.abs(logProbs[0]! - b![i]!.logProbs[0]!)).toBeLessThan(0.1);
    });
  });

  it("trains adapters only", async () => {
    const model = await loadModel(join(root, "exact"), { engine, precision: "int8" });
    await expect(createPolicy(model, { train: "all" })).rejects.toThrow(/stored as int8.*train: "lora"/);
  });
});
