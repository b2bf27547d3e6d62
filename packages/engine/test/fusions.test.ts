import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEngine, type DeviceTensor, type Engine } from "../src/index.ts";
import { toOnnx } from "../src/onnx/onnx-model.ts";
import { record } from "../src/record/record.ts";

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend("cpu");
  engine = await openEngine({ threads: 1 });
});
afterAll(async () => engine.dispose());

type Build = (x: tf.Tensor, w: tf.Tensor) => tf.Tensor[];

const shape = [3, 4, 6];
const elements = Float32Array.from({ length: 72 }, (_, i) => Math.sin(1 + i * 0.7) * (1 + (i % 5)));
const factors = Float32Array.from({ length: 6 }, (_, i) => 0.5 + i / 4);

/** Whether the model that `build` becomes has an operator of this type: field 4 of a node is its length and its name. */
function emits(build: Build, operator: string): boolean {
  const specs = [
    { shape, dtype: "float32" as const },
    { shape: [6], dtype: "float32" as const },
  ];
  const call = ([x, w]: tf.Tensor[]): tf.Tensor[] => build(x!, w!);
  const { graph } = record(call, specs, { name: "test", captureLimit: 0 });
  const { bytes } = toOnnx({ inputs: graph.inputs, outputs: graph.outputs, baked: new Map() });
  return Buffer.from(bytes).includes(Buffer.from(`"${String.fromCharCode(operator.length)}${operator}`));
}

/** What the engine computes and what TensorFlow.js computes. */
async function results(build: Build): Promise<[ours: number[][], theirs: number[][]]> {
  const run = engine.compile(build, { name: "test" });
  const outputs = (await run(
    engine.tensor(elements, shape),
    engine.tensor(factors),
  )) as unknown as DeviceTensor[];
  const ours = await Promise.all(outputs.map(async (tensor) => Array.from(await tensor.read(), Number)));
  const theirs = build(tf.tensor(elements, shape), tf.tensor1d(factors)).map((y) => Array.from(y.dataSync()));
  return [ours, theirs];
}

async function expectEqual(build: Build): Promise<void> {
  const [ours, theirs] = await results(build);
  expect(ours.length).toBe(theirs.length);
  ours.forEach((values, k) => {
    expect(values.length).toBe(theirs[k]!.length);
    values.forEach((value, i) => expect(Math.abs(value - theirs[k]![i]!)).toBeLessThan(1e-5));
  });
}

const inverse = (x: tf.Tensor, eps = 1e-3): tf.Tensor =>
  tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps));
const norm: Build = (x, w) => [tf.mul(tf.mul(x, inverse(x)), w)];

describe("a norm by its formula becomes one operator", () => {
  const fused = "SimplifiedLayerNormalization";
  const cases: Record<string, Build> = {
    "by itself": norm,
    "with the factor as a second result": (x, w) => [...norm(x, w), inverse(x)],
    "with the factor used again": (x, w) => [tf.add(norm(x, w)[0]!, tf.mul(inverse(x), 3))],
    "with the operands the other way round": (x, w) => [tf.mul(w, tf.mul(inverse(x), x))],
  };
  test.each(Object.entries(cases))("%s", async (_, build) => {
    expect(emits(build, fused)).toBe(true);
    await expectEqual(build);
  });

  const others: Record<string, Build> = {
    "whose parts are wanted": (x, w) => {
      const normal = tf.mul(x, inverse(x));
      return [tf.mul(normal, w), normal];
    },
    "whose mean another one shares": (x, w) => [
      tf.mul(tf.mul(x, inverse(x, 1e-3)), w),
      tf.mul(tf.mul(x, inverse(x, 1)), w),
    ],
    "whose mean is a result": (x, w) => [...norm(x, w), tf.mean(tf.square(x), -1, true)],
    "over another axis": (x) => {
      const flat = tf.reshape(x, [12, 6]);
      const factor = tf.rsqrt(tf.add(tf.mean(tf.square(flat), 0, true), 1e-3));
      return [tf.mul(tf.mul(flat, factor), tf.ones([6]))];
    },
    "of another tensor": (x, w) => [tf.mul(tf.mul(tf.abs(x), inverse(x)), w)],
    "with a weight for each element": (x, w) => [tf.mul(tf.mul(x, inverse(x)), tf.add(x, w))],
    "with a weight that comes from the factor": (x) => [
      tf.mul(tf.mul(x, inverse(x)), tf.slice(tf.reshape(inverse(x), [12]), [0], [6])),
    ],
  };
  test.each(Object.entries(others))("but not one %s", async (_, build) => {
    expect(emits(build, fused)).toBe(false);
    await expectEqual(build);
  });
});

describe("slices that are all of a tensor become one operator", () => {
  const cases: Record<string, Build> = {
    "from tf.split": (x) => tf.split(x, [1, 2, 3], -1),
    "in another order": (x) => [
      tf.add(tf.slice(x, [0, 2, 0], [3, 2, 6]), 1),
      tf.slice(x, [0, 0, 0], [3, 2, 6]),
    ],
    "of integers": (x) => tf.split(tf.cast(x, "int32"), 2, 1),
  };
  test.each(Object.entries(cases))("%s", async (_, build) => {
    expect(emits(build, "Split")).toBe(true);
    await expectEqual(build);
  });

  const others: Record<string, Build> = {
    "that leave something out": (x) => [tf.slice(x, [0, 0, 0], [3, 1, 6]), tf.slice(x, [0, 2, 0], [3, 2, 6])],
    "that overlap": (x) => [tf.slice(x, [0, 0, 0], [3, 3, 6]), tf.slice(x, [0, 2, 0], [3, 2, 6])],
    "along two axes": (x) => [tf.slice(x, [0, 0, 0], [3, 2, 3]), tf.slice(x, [0, 2, 3], [3, 2, 3])],
    "of booleans": (x) => tf.split(tf.greater(x, 0), 2, 1),
    "with strides": (x) => [tf.stridedSlice(x, [0], [3], [2])],
  };
  test.each(Object.entries(others))("but not ones %s", async (_, build) => {
    expect(emits(build, "Split")).toBe(false);
    await expectEqual(build);
  });
});

describe("a sum over the rows of a matrix", () => {
  test.each([true, false])("is a product with ones, keepDims %s", async (keep) => {
    const build: Build = (x) => [tf.sum(tf.reshape(x, [12, 6]), 0, keep)];
    expect(emits(build, "ReduceSum")).toBe(false);
    await expectEqual(build);
    expect(emits((x) => [tf.sum(x, 0, keep)], "ReduceSum")).toBe(true);
  });
});
