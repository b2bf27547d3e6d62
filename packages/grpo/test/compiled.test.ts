import * as tf from "@tensorflow/tfjs";
import { createRng } from "@vlmr1/core";
import { openEngine, valueAndGrad, type DeviceTensor, type Engine } from "@vlmr1/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bnpoLoss } from "../src/loss/bnpo.ts";
import { cispoLoss } from "../src/loss/cispo.ts";
import { dapoLoss } from "../src/loss/dapo.ts";
import { drGrpoLoss } from "../src/loss/dr-grpo.ts";
import { grpoLoss } from "../src/loss/grpo.ts";
import { gspoLoss } from "../src/loss/gspo.ts";
import { luspoLoss } from "../src/loss/luspo.ts";
import { sapoLoss } from "../src/loss/sapo.ts";
import { vespoLoss } from "../src/loss/vespo.ts";
import type { OptimizerInputs, ParameterLayout, PolicyLossInputs } from "@vlmr1/policy";
import { adam, adamW } from "../src/optimizer/adam.ts";
import { muon } from "../src/optimizer/muon.ts";
import { sgd } from "../src/optimizer/sgd.ts";
import { distance } from "./fixture.ts";

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ device: "cpu", threads: 1 })));
afterAll(() => engine.dispose());

const [B, T] = [6, 5];
const rng = createRng(8);
const matrix = (scale = 1) =>
  tf.tensor2d(
    Array.from({ length: B * T }, () => -Math.abs(scale * rng.normal())),
    [B, T],
  );

function inputs(): PolicyLossInputs {
  const logProbs = matrix();
  const near = () => tf.add(logProbs, tf.mul(matrix(), 0.3)) as tf.Tensor2D;
  return {
    logProbs,
    oldLogProbs: near(),
    referenceLogProbs: near(),
    samplerLogProbs: near(),
    entropies: tf.neg(matrix()),
    advantages: tf.tensor1d(Array.from({ length: B }, () => rng.normal())),
    mask: tf.tensor2d(
      Array.from({ length: B * T }, (_, i) => (i % T < 1 + (Math.floor(i / T) % T) ? 1 : 0)),
      [B, T],
    ),
    totalCompletions: tf.scalar(B),
    totalTokens: tf.scalar(20),
    maxNewTokens: tf.scalar(T),
    microBatches: tf.scalar(2),
  };
}

describe("every loss with every option compiles to the numbers of eager TensorFlow.js", () => {
  const options = {
    beta: 0.1,
    biasCorrectedKl: true,
    entropyCoefficient: 0.01,
    topEntropy: 0.4,
    offPolicyThreshold: 0.05,
    samplerCorrection: { level: "sequence", mode: "mask", max: 3 },
  } as const;
  const losses = [
    ...[grpoLoss, bnpoLoss, drGrpoLoss, dapoLoss, luspoLoss].map((make) => make({ ...options, delta: 1.5 })),
    ...[gspoLoss, cispoLoss, sapoLoss, vespoLoss].map((make) => make(options)),
    grpoLoss({ ...options, kl: "k1", samplerCorrection: { level: "token", mode: "truncate" } }),
    grpoLoss({ kl: "k2", ratioLevel: "sequence" }),
  ];

  test.each(losses.map((loss) => [loss.key.slice(0, 40), loss] as const))("%s", async (_, loss) => {
    const given = inputs();
    const gradient = (all: PolicyLossInputs) =>
      tf.valueAndGrad((logProbs) => loss.compute({ ...all, logProbs: logProbs as tf.Tensor2D }).loss)(
        all.logProbs,
      );
    const compiled = engine.compile((all: PolicyLossInputs) =>
      valueAndGrad((logProbs: tf.Tensor2D) => loss.compute({ ...all, logProbs }).loss)(all.logProbs),
    );
    const eager = gradient(given);
    const result = await compiled(given);
    expect(distance(Array.from(await result.value.read()), [eager.value.arraySync()])).toBeLessThan(1e-5);
    const ours = Array.from(await (result.grads as unknown as DeviceTensor).read());
    expect(distance(ours, Array.from(eager.grad.dataSync()))).toBeLessThan(1e-5);
    await compiled.release();
  });
});

describe("every optimizer compiles, and updates in place, to the numbers of eager TensorFlow.js", () => {
  const layout: ParameterLayout = {
    size: 20,
    spans: [
      { path: "a.weight", shape: [3, 4], offset: 0, size: 12 },
      { path: "a.bias", shape: [4], offset: 12, size: 4 },
      { path: "b.weight", shape: [2, 2], offset: 16, size: 4 },
    ],
  };
  const shared = { weightDecay: 0.1, rates: { "b.*": 3 }, noDecay: ["*.bias"] };
  const optimizers = [
    adamW(shared),
    adamW({ amsgrad: true }),
    adam(shared),
    sgd({ ...shared, momentum: 0.9 }),
    sgd(),
    muon(shared),
  ];

  test.each(optimizers.map((optimizer) => [optimizer.key.slice(0, 50), optimizer] as const))(
    "%s",
    async (_, optimizer) => {
      const random = () => Float32Array.from({ length: 20 }, () => rng.normal());
      const named = <T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U) =>
        Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
      const constants = named(optimizer.constants(layout), (values) => tf.tensor1d(values));
      let eager = { parameters: tf.tensor1d(random()), state: {} as Record<string, tf.Tensor1D> };
      eager.state = Object.fromEntries(
        optimizer.stateNames.map((name) => [name, tf.zeros([20]) as tf.Tensor1D]),
      );
      const device = {
        parameters: engine.tensor(eager.parameters.dataSync<"float32">().slice(), [20]),
        state: named(eager.state, () => engine.zeros([20])),
      };
      const compiled = engine.compile((given: OptimizerInputs) => optimizer.update(given, layout));
      for (let step = 0; step < 3; step++) {
        const gradients = tf.tensor1d(random());
        const scalars = named(optimizer.scalars({ learningRate: 0.1, step }), (value) => tf.scalar(value));
        const common = { gradients, scalars, constants };
        eager = optimizer.update({ ...common, ...eager }, layout) as typeof eager;
        await compiled.into(device, { ...common, ...device });
        const ours = Array.from(await device.parameters.read());
        expect(distance(ours, Array.from(eager.parameters.dataSync()))).toBeLessThan(1e-5);
        for (const [name, tensor] of Object.entries(device.state)) {
          const buffer = Array.from(await tensor.read());
          expect(distance(buffer, Array.from(eager.state[name]?.dataSync() ?? []))).toBeLessThan(1e-5);
        }
      }
      await compiled.release();
    },
  );
});
