import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEngine, updateSlice, type Engine } from "../../src/index.ts";
import { deviceUnderTest } from "../contract/devices.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine(deviceUnderTest);
});
afterAll(async () => engine.dispose());

const numbers = async (tensor: { read(): Promise<ArrayLike<number>> }): Promise<number[]> =>
  Array.from(await tensor.read());

test("describes the plugin and its processors", () => {
  const { device, runtime, library, processors } = engine.describe();
  expect(device).toBe("pjrt");
  expect(runtime).toMatch(/^PJRT 0\.\d+, /);
  expect(library).toBe(deviceUnderTest.plugin);
  expect(processors.length).toBeGreaterThan(0);
});

test("the event loop stays free while a program compiles and runs", async () => {
  const n = 1500;
  const run = engine.compile((x: tf.Tensor) => tf.matMul(tf.matMul(tf.matMul(x, x), x), x), { name: "long" });
  const x = engine.zeros([n, n]);
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const started = performance.now();
  await run(x);
  const whole = performance.now() - started;
  clearInterval(timer);
  expect(longest).toBeLessThan(whole / 2);
});

test("an error of the compiler names the function, the operation and its line", async () => {
  const run = engine.compile((x: tf.Tensor) => tf.tile(x, [2 ** 31 - 1, 2 ** 20, 2 ** 20]), {
    name: "too large",
  });
  await expect(run(engine.zeros([1, 1, 1]))).rejects.toThrow(/too large failed/);
});

describe("bfloat16", () => {
  const values = Float32Array.from({ length: 64 * 32 }, (_, k) => Math.sin(k));

  test("weights are stored in half the bytes and read by products and look-ups", async () => {
    const stored = engine.tensor(values, [64, 32], "bfloat16");
    expect(stored.bytes).toBe(values.length * 2);
    const rounded = tf.tensor2d((await stored.read()) as Float32Array, [64, 32]);
    const fn = (w: tf.Tensor, x: tf.Tensor) => ({
      product: tf.matMul(x, w),
      row: tf.gather(w, tf.tensor1d([3, 1], "int32")),
      sum: tf.sum(w),
    });
    const x = tf.tensor2d(
      Float32Array.from({ length: 4 * 64 }, (_, k) => Math.fround((k % 7) - 3)),
      [4, 64],
    ); // exact in bfloat16
    const wanted = fn(rounded, x);
    const got = await engine.compile(fn, { name: "half" })(stored, x);
    for (const name of ["product", "row", "sum"] as const) {
      const expected = Array.from(wanted[name].dataSync());
      (await numbers(got[name])).forEach((value, k) => expect(value).toBeCloseTo(expected[k]!, 4));
    }
  });
});

test("a cache is updated in place, and everything is freed", async () => {
  const run = engine.compile(
    (cache: tf.Tensor, rows: tf.Tensor, at: tf.Tensor) => updateSlice(cache, rows, at),
    { name: "cache", donate: [0] },
  );
  let cache = engine.zeros([64, 256]);
  for (let k = 0; k < 4; k++) {
    cache = await run(
      cache,
      engine.tensor(new Float32Array(256).fill(k), [1, 256]),
      tf.tensor1d([k, 0], "int32"),
    );
  }
  expect((await numbers(cache)).filter((_, k) => k % 256 === 0).slice(0, 5)).toEqual([0, 1, 2, 3, 0]);
});
