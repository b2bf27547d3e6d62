import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { otherDevice } from "./contract/devices.ts";
import { checkpoint, openEngine, valueAndGrad, type Engine, type EngineOptions } from "../src/index.ts";

const options: readonly EngineOptions[] = [
  { threads: 2 },
  ...(otherDevice ? [otherDevice] : []),
  ...(otherDevice?.device === "tensorflow" ? [{ ...otherDevice, xla: true }] : []),
];
let engines: Engine[];
beforeAll(async () => {
  engines = await Promise.all(options.map((option) => openEngine(option)));
});
afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.dispose()));
});

interface Moments {
  readonly params: tf.Tensor;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
}

/** AdamW as PyTorch computes it. */
function adamW(
  { params, m, v }: Moments,
  g: tf.Tensor,
  step: tf.Tensor,
  rate: tf.Tensor,
  decay: tf.Tensor,
): Moments {
  const first = tf.add(tf.mul(m, 0.9), tf.mul(g, 0.1));
  const second = tf.add(tf.mul(v, 0.999), tf.mul(tf.square(g), 0.001));
  const correct1 = tf.sub(1, tf.pow(0.9, step));
  const correct2 = tf.sub(1, tf.pow(0.999, step));
  const denominator = tf.add(tf.div(tf.sqrt(second), tf.sqrt(correct2)), 1e-8);
  const kept = tf.mul(params, tf.sub(1, tf.mul(rate, decay)));
  return {
    params: tf.sub(kept, tf.mul(tf.div(rate, correct1), tf.div(first, denominator))),
    m: first,
    v: second,
  };
}

test("AdamW in place over flat buffers follows PyTorch for 20 steps", async () => {
  const fixture = JSON.parse(readFileSync(new URL("./fixtures/adamw.json", import.meta.url), "utf8")) as {
    initial_params: number[][];
    gradients: number[][][];
    runs: { options: { lr: number; weight_decay: number }; steps: { params: number[][] }[] }[];
  };
  const flat = (tree: unknown): number[] => [tree].flat(Infinity) as number[];
  for (const engine of engines) {
    for (const { options: given, steps } of fixture.runs) {
      const initial = flat(fixture.initial_params);
      const state = {
        params: engine.tensor(Float32Array.from(initial)),
        m: engine.zeros([initial.length]),
        v: engine.zeros([initial.length]),
      };
      const update = engine.compile(adamW);
      for (const [index, { params }] of steps.entries()) {
        const g = engine.tensor(Float32Array.from(flat(fixture.gradients[index % fixture.gradients.length])));
        await update.into(state, state, g, index + 1, given.lr, given.weight_decay);
        const got = await state.params.read();
        flat(params).forEach((want, k) => expect(Math.abs(got[k]! - want)).toBeLessThan(2e-6));
      }
    }
  }
});

const shape = { vocabulary: 29, hidden: 16, inner: 32, heads: 2, layers: 2, length: 12, batch: 3 };
const layerShapes = {
  norm1: [16],
  qkv: [16, 48],
  out: [16, 16],
  norm2: [16],
  gate: [16, 32],
  up: [16, 32],
  down: [32, 16],
} as const;
const shapes = {
  embedding: [29, 16],
  layers: [layerShapes, layerShapes],
  norm: [16],
  head: [16, 29],
} as const;
type Layer = Record<keyof typeof layerShapes, tf.Tensor>;
interface Weights {
  readonly embedding: tf.Tensor;
  readonly layers: readonly Layer[];
  readonly norm: tf.Tensor;
  readonly head: tf.Tensor;
}

const rmsNorm = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6))), w);

function layer(x: tf.Tensor, w: Layer, mask: tf.Tensor): tf.Tensor {
  const { batch, length, hidden, heads } = shape;
  const headDim = hidden / heads;
  const rows = (y: tf.Tensor): tf.Tensor => tf.reshape(y, [batch * length, hidden]);
  const parts = tf.split(tf.matMul(rows(rmsNorm(x, w.norm1)), w.qkv), 3, 1);
  const [q, k, v] = parts.map((y) =>
    tf.transpose(tf.reshape(y, [batch, length, heads, headDim]), [0, 2, 1, 3]),
  ) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), headDim ** -0.5), mask);
  const mixed = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
  const middle = tf.add(x, tf.reshape(tf.matMul(rows(mixed), w.out), [batch, length, hidden]));
  const h = rows(rmsNorm(middle, w.norm2));
  const gate = tf.matMul(h, w.gate);
  const inner = tf.mul(tf.mul(gate, tf.sigmoid(gate)), tf.matMul(h, w.up));
  return tf.add(middle, tf.reshape(tf.matMul(inner, w.down), [batch, length, hidden]));
}

const lossWith =
  (block: typeof layer) =>
  (w: Weights, ids: tf.Tensor, targets: tf.Tensor): tf.Tensor => {
    const { batch, length, hidden, vocabulary } = shape;
    const position = tf.range(0, length, 1, "int32");
    const mask = tf.mul(
      tf.cast(tf.greater(tf.reshape(position, [1, length]), tf.reshape(position, [length, 1])), "float32"),
      -1e9,
    );
    let x = tf.reshape(tf.gather(w.embedding, tf.reshape(ids, [-1]) as tf.Tensor1D), [batch, length, hidden]);
    for (const item of w.layers) x = block(x, item, mask);
    const logits = tf.matMul(tf.reshape(rmsNorm(x, w.norm), [batch * length, hidden]), w.head);
    const oneHot = tf.cast(tf.oneHot(targets as tf.Tensor1D, vocabulary), "float32");
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), oneHot), -1)));
  };

const size = 29 * 16 * 2 + 16 + 2 * (16 * 2 + 16 * 48 + 16 * 16 + 3 * 16 * 32);
const initial = Float32Array.from(
  { length: size },
  (_, k) => Math.sin(k * 12.9898) / 3 + (k % 16 === 0 ? 0.5 : 0),
);
const ids = Int32Array.from({ length: shape.batch * shape.length }, (_, k) => (k * 7 + 3) % shape.vocabulary);
const targets = Int32Array.from(
  { length: shape.batch * shape.length },
  (_, k) => (k * 5 + 1) % shape.vocabulary,
);
const steps = 3;

function eagerSteps(): { losses: number[]; params: Float32Array } {
  return tf.tidy(() => {
    let state: Moments = { params: tf.tensor1d(initial), m: tf.zeros([size]), v: tf.zeros([size]) };
    const losses: number[] = [];
    for (let step = 1; step <= steps; step++) {
      const whole = (flat: tf.Tensor): tf.Tensor => {
        let at = 0;
        const take = (extents: readonly number[]): tf.Tensor => {
          const count = extents.reduce((a, b) => a * b, 1);
          const part = tf.reshape(tf.slice(flat, [at], [count]), [...extents]);
          at += count;
          return part;
        };
        const embedding = take(shapes.embedding);
        const layers = shapes.layers.map(
          (each) =>
            Object.fromEntries(Object.entries(each).map(([name, extents]) => [name, take(extents)])) as Layer,
        );
        const weights = { embedding, layers, norm: take(shapes.norm), head: take(shapes.head) };
        return lossWith(layer)(
          weights,
          tf.tensor2d(ids, [shape.batch, shape.length]),
          tf.tensor1d(targets, "int32"),
        );
      };
      const { value, grads } = valueAndGrad(whole)(state.params);
      losses.push(value.dataSync()[0]!);
      state = adamW(state, grads, tf.scalar(step), tf.scalar(1e-3), tf.scalar(0.01));
    }
    return { losses, params: state.params.dataSync() as Float32Array };
  }) as unknown as { losses: number[]; params: Float32Array };
}

async function compiledSteps(
  engine: Engine,
  block: typeof layer,
): Promise<{ losses: number[]; params: Float32Array }> {
  const [params, grads, m, v] = [
    engine.pack(shapes, initial.slice()),
    engine.pack(shapes),
    engine.pack(shapes),
    engine.pack(shapes),
  ];
  const gradient = engine.compile(valueAndGrad(lossWith(block)));
  const update = engine.compile(adamW);
  const state = { params: params.flat, m: m.flat, v: v.flat };
  const inputs = [engine.tensor(ids, [shape.batch, shape.length]), engine.tensor(targets)] as const;
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const { value } = await gradient.into({ grads: grads.views }, params.views, ...inputs);
    losses.push((await value.read())[0]!);
    await update.into(state, state, grads.flat, step, 1e-3, 0.01);
  }
  return { losses, params: (await params.flat.read()) as Float32Array };
}

test("a transformer trained on every device, eagerly and with checkpoints gives the same numbers", async () => {
  await tf.setBackend("cpu");
  const want = eagerSteps();
  expect(want.losses[2]!).toBeLessThan(want.losses[0]!);
  for (const engine of engines) {
    for (const block of [layer, checkpoint(layer)]) {
      const got = await compiledSteps(engine, block as typeof layer);
      got.losses.forEach((loss, k) => expect(Math.abs(loss - want.losses[k]!)).toBeLessThan(2e-5));
      // Adam divides by the root of tiny second moments: a rounding difference of a gradient near 0 becomes up to a step.
      const differences = got.params.map((value, k) => Math.abs(value - want.params[k]!));
      expect(Math.max(...differences)).toBeLessThan(3e-3);
      expect(differences.reduce((a, b) => a + b, 0) / size).toBeLessThan(1e-5);
    }
  }
});

test("a whole train step is bit-identical from engine to engine", async () => {
  const other = await openEngine({ threads: 2 });
  const [a, b] = [await compiledSteps(engines[0]!, layer), await compiledSteps(other, layer)];
  expect(a.params).toEqual(b.params);
  await other.dispose();
});
