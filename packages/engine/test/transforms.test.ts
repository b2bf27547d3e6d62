import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deviceUnderTest } from "./contract/devices.ts";
import {
  checkpoint,
  drawFromWeights,
  grad,
  openEngine,
  sampleFromUniforms,
  stopGradient,
  updateSlice,
  valueAndGrad,
  type DeviceTensor,
  type Engine,
} from "../src/index.ts";

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend("cpu");
  engine = await openEngine(deviceUnderTest);
});
afterAll(async () => engine.dispose());

const numbers = async (tensor: DeviceTensor): Promise<number[]> => Array.from(await tensor.read());
const round = (values: readonly number[]): number[] => values.map((value) => Number(value.toPrecision(5)));

describe("valueAndGrad", () => {
  test("gives the value, what else was computed, and gradients in the tree of the parameters", async () => {
    type Params = { w: tf.Tensor; unused: tf.Tensor; list: [tf.Tensor] };
    const loss = (p: Params, x: tf.Tensor): { value: tf.Tensor; aux: { doubled: tf.Tensor } } => {
      const product = tf.mul(tf.mul(p.w, x), p.list[0]);
      return { value: tf.sum(product), aux: { doubled: tf.mul(product, 2) } };
    };
    const params = {
      w: engine.tensor(Float32Array.of(1, 2)),
      unused: engine.tensor(Float32Array.of(5)),
      list: [engine.tensor(3)] as [DeviceTensor],
    };
    const result = await engine.compile(valueAndGrad(loss))(params, engine.tensor(Float32Array.of(10, 20)));
    expect(await numbers(result.value)).toEqual([150]); // 3 * (1 * 10 + 2 * 20)
    expect(await numbers(result.aux.doubled)).toEqual([60, 240]);
    expect(await numbers(result.grads.w)).toEqual([30, 60]);
    expect(await numbers(result.grads.unused)).toEqual([0]);
    expect(await numbers(result.grads.list[0])).toEqual([50]);
  });

  test("computes the same eagerly and leaks no tensor", () => {
    const loss = (p: { w: tf.Tensor }): { value: tf.Tensor; aux: tf.Tensor } => ({
      value: tf.sum(tf.square(p.w)),
      aux: tf.neg(p.w),
    });
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const { value, grads, aux } = valueAndGrad(loss)({ w: tf.tensor1d([1, -3]) });
      expect([value.dataSync()[0], ...grads.w.dataSync(), ...aux.dataSync()]).toEqual([10, 2, -6, -1, 3]);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test("differentiates twice", async () => {
    const cube = (x: tf.Tensor): tf.Tensor => tf.sum(tf.mul(x, tf.square(x)));
    const second = grad((x: tf.Tensor) => tf.sum(grad(cube)(x)));
    expect(await numbers(await engine.compile(second)(engine.tensor(Float32Array.of(1, 2))))).toEqual([
      6, 12,
    ]);
  });
});

test("stopGradient passes the value and no gradient", async () => {
  const f = (x: tf.Tensor): tf.Tensor => tf.sum(tf.mul(x, stopGradient(tf.square(x))));
  const { value, grads } = await engine.compile(valueAndGrad(f))(engine.tensor(Float32Array.of(2, 3)));
  expect(await numbers(value)).toEqual([35]);
  expect(await numbers(grads)).toEqual([4, 9]); // not 3 x^2
  expect(
    Array.from(
      tf
        .grad(f)(tf.tensor1d([2, 3]))
        .dataSync(),
    ),
  ).toEqual([4, 9]);
});

describe("checkpoint", () => {
  type Weights = { a: tf.Tensor; b: tf.Tensor };
  const layer = (x: tf.Tensor, w: Weights): tf.Tensor => {
    let h = tf.tanh(tf.matMul(x, w.a));
    for (let k = 0; k < 4; k++) h = tf.sin(tf.add(h, tf.square(h)));
    return tf.add(x, tf.matMul(h, w.b));
  };
  const lossWith =
    (block: typeof layer) =>
    (weights: Weights[], x: tf.Tensor): tf.Tensor =>
      tf.mean(tf.square(weights.reduce((h, w) => block(h, w), x)));
  const size = 24;
  const depth = 8;
  const make = (seed: number, length: number): Float32Array =>
    Float32Array.from({ length }, (_, k) => Math.sin(seed + k * 1.7) / 4);
  const shapes = Array.from({ length: depth }, () => ({ a: [size, size], b: [size, size] }) as const);

  test("gives the gradients of the plain function", async () => {
    const weights = engine.pack(shapes, make(1, depth * 2 * size * size));
    const x = engine.tensor(make(2, 40 * size), [40, size]);
    const plain = await engine.compile(valueAndGrad(lossWith(layer)))(weights.views, x);
    const saved = await engine.compile(valueAndGrad(lossWith(checkpoint(layer))))(weights.views, x);
    expect(round(await numbers(saved.value))).toEqual(round(await numbers(plain.value)));
    for (const [index, { a, b }] of plain.grads.entries()) {
      for (const [want, got] of [
        [a, saved.grads[index]!.a],
        [b, saved.grads[index]!.b],
      ] as const) {
        const [x, y] = [await numbers(want), await numbers(got)];
        const largest = Math.max(...x.map(Math.abs));
        x.forEach((value, k) => expect(Math.abs(value - y[k]!)).toBeLessThanOrEqual(2e-6 * largest));
      }
    }
  });

  test("gives the same gradients eagerly", () => {
    tf.tidy(() => {
      const w = { a: tf.tensor(make(3, 16), [4, 4]), b: tf.tensor(make(4, 16), [4, 4]) };
      const x = tf.tensor(make(5, 8), [2, 4]);
      const plain = valueAndGrad(lossWith(layer))([w], x);
      const saved = valueAndGrad(lossWith(checkpoint(layer)))([w], x);
      expect(Array.from(saved.grads[0]!.a.dataSync())).toEqual(Array.from(plain.grads[0]!.a.dataSync()));
      expect(Array.from(saved.grads[0]!.b.dataSync())).toEqual(Array.from(plain.grads[0]!.b.dataSync()));
    });
  });

  test("lowers the memory of a deep function to less than half", async () => {
    const weights = engine.pack(shapes);
    const x = engine.zeros([400, size]);
    const plain = await engine.compile(valueAndGrad(lossWith(layer))).prepare(weights.views, x);
    const saved = await engine.compile(valueAndGrad(lossWith(checkpoint(layer)))).prepare(weights.views, x);
    expect(saved.workBytes).toBeLessThan(plain.workBytes / 2);
  });
});

describe("sampleFromUniforms", () => {
  const fixture = JSON.parse(
    readFileSync(new URL("./fixtures/inverse_cdf.json", import.meta.url), "utf8"),
  ) as {
    cases: { logits: number[]; u: number[]; index: number[] }[];
  };

  test("draws the indices of the inverse cumulative distribution in float64", async () => {
    for (const { logits, u, index } of fixture.cases) {
      const rows = engine.tensor(Float32Array.from(u.flatMap(() => logits)), [u.length, logits.length]);
      const draw = engine.compile((x: tf.Tensor, uniforms: tf.Tensor) => sampleFromUniforms(x, uniforms));
      expect(await numbers(await draw(rows, engine.tensor(Float32Array.from(u))))).toEqual(index);
    }
  });

  const logits = [0, Math.log(4), -Infinity, Math.log(3), Math.log(2)]; // probabilities 0.1, 0.4, 0, 0.3, 0.2
  const table = Array.from({ length: 20 }, (_, k) => k / 20 + 0.01);
  const drawAll = async (options: Parameters<typeof sampleFromUniforms>[2]): Promise<number[]> => {
    const draw = engine.compile((x: tf.Tensor, u: tf.Tensor) => sampleFromUniforms(x, u, options));
    const rows = engine.tensor(Float32Array.from(table.flatMap(() => logits)), [table.length, logits.length]);
    return numbers(await draw(rows, engine.tensor(Float32Array.from(table))));
  };
  const counts = (indices: readonly number[]): number[] =>
    logits.map((_, k) => indices.filter((index) => index === k).length);

  test("draws in proportion and never what is impossible", async () => {
    expect(counts(await drawAll({}))).toEqual([2, 8, 0, 6, 4]);
  });

  test("keeps the top k, the nucleus, and is greedy at temperature 0", async () => {
    expect(counts(await drawAll({ topK: 1 }))).toEqual([0, 20, 0, 0, 0]);
    expect(counts(await drawAll({ topK: 2 }))).toEqual([0, 12, 0, 8, 0]);
    expect(counts(await drawAll({ topP: 0.5 }))).toEqual([0, 12, 0, 8, 0]);
    expect(counts(await drawAll({ topP: 1 })).every((n, k) => n > 0 === logits[k]! > -Infinity)).toBe(true);
    expect(counts(await drawAll({ temperature: 0 }))).toEqual([0, 20, 0, 0, 0]);
  });

  test("stays inside the vocabulary for the largest uniform number", async () => {
    const draw = engine.compile((x: tf.Tensor, u: tf.Tensor) => sampleFromUniforms(x, u));
    const rows = engine.tensor(
      Float32Array.from({ length: 3000 }, (_, k) => Math.sin(k)),
      [3, 1000],
    );
    const drawn = await numbers(await draw(rows, engine.tensor(new Float32Array(3).fill(1 - 2 ** -24))));
    drawn.forEach((index) => expect(index).toBeGreaterThan(990));
    drawn.forEach((index) => expect(index).toBeLessThan(1000));
  });
});

describe("updateSlice", () => {
  test("writes rows at a place given by numbers or by a tensor, clamped, and passes gradients", async () => {
    const write = (x: tf.Tensor, rows: tf.Tensor, at: tf.Tensor): tf.Tensor => updateSlice(x, rows, at);
    const x = Float32Array.from({ length: 12 }, (_, k) => k);
    const run = engine.compile((a: tf.Tensor, b: tf.Tensor, at: tf.Tensor) => ({
      y: tf.mul(write(a, b, at), 1.5),
      z: updateSlice(a, b, [0, 1]),
    }));
    const { y, z } = await run(
      engine.tensor(x, [3, 4]),
      engine.tensor(Float32Array.of(-1, -2, -3, -4), [2, 2]),
      engine.tensor(Int32Array.of(7, 1)),
    );
    expect(await numbers(z)).toEqual([0, -1, -2, 3, 4, -3, -4, 7, 8, 9, 10, 11]);
    expect(await numbers(y)).toEqual([0, 1, 2, 3, 4, -1, -2, 7, 8, -3, -4, 11].map((value) => value * 1.5));
    const total = (rows: tf.Tensor, a: tf.Tensor): tf.Tensor =>
      tf.sum(tf.square(updateSlice(a, rows, [1, 0])));
    const gradient = await engine.compile(grad(total))(
      engine.tensor(Float32Array.of(1, 2), [1, 2]),
      engine.tensor(x, [3, 4]),
    );
    expect(await numbers(gradient)).toEqual([2, 4]);
  });

  test("is the same eagerly", () => {
    const x = tf.range(0, 12).reshape([3, 4]);
    expect(Array.from(updateSlice(x, tf.tensor2d([[-1, -2]]), [2, 1]).dataSync())).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, -1, -2, 11,
    ]);
  });
});

describe("drawFromWeights", () => {
  const rows = 64;
  const largest = 1 - 2 ** -24;
  const uniforms = Float32Array.from({ length: rows }, (_, i) =>
    i === 0 ? 0 : i === 1 ? largest : (i * 0.381966) % 1,
  );
  // 1: one block of one; 3 and 97: a padded last block; 6, 224 and 1536: blocks that divide the row.
  test.each([1, 3, 6, 97, 224, 1536])("inverts the cumulative sum of %i weights", async (n) => {
    const weights = Float32Array.from({ length: rows * n }, (_, i) =>
      n > 3 && (i % n < 2 || i % n > n - 3 || i % 5 === 0) ? 0 : 1 + Math.sin(i * 1.7),
    );
    const draw = engine.compile(drawFromWeights, { name: "draw" });
    const drawn = await draw(engine.tensor(weights, [rows, n]), engine.tensor(uniforms));
    const indices = await numbers(drawn as unknown as DeviceTensor);
    indices.forEach((index, row) => {
      const own = Array.from(weights.subarray(row * n, (row + 1) * n));
      const total = own.reduce((sum, weight) => sum + weight, 0);
      const before = own.slice(0, index).reduce((sum, weight) => sum + weight, 0);
      const threshold = uniforms[row]! * total;
      expect(own[index]).toBeGreaterThan(0);
      expect(before).toBeLessThanOrEqual(threshold + total * 1e-6);
      expect(before + own[index]!).toBeGreaterThan(threshold - total * 1e-6);
    });
  });

  test("never leaves the row when all weights are zero", async () => {
    const draw = engine.compile(drawFromWeights, { name: "draw" });
    const drawn = await draw(engine.zeros([2, 30]), engine.tensor(Float32Array.of(0, 0.9)));
    for (const index of await numbers(drawn as unknown as DeviceTensor)) {
      expect(index).toBeGreaterThanOrEqual(0);
      expect(index).toBeLessThan(30);
    }
  });
});
