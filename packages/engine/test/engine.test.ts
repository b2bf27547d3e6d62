import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { VlmR1Error } from "@vlmr1/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEngine, updateSlice, type Engine } from "../src/index.ts";
import { devices } from "./contract/devices.ts";

const engines = [...devices, ["cpu in a worker thread", { threads: 2, worker: true }]] as const;

const numbers = async (tensor: { read(): Promise<ArrayLike<number>> }): Promise<number[]> =>
  Array.from(await tensor.read());

describe.each(engines)("an engine on %s", (_, options) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine(options);
  });
  afterAll(async () => engine.dispose());

  test("runs a function of trees and returns a tree", async () => {
    const run = engine.compile((p: { w: tf.Tensor; list: tf.Tensor[] }, x: tf.Tensor) => ({
      y: tf.matMul(x, p.w),
      sums: p.list.map((item) => tf.sum(item)),
      label: "kept",
    }));
    const w = engine.tensor(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const list = [engine.tensor(Float32Array.of(1, 2)), tf.tensor1d([3, 4, 5])];
    const result = await run({ w, list }, engine.tensor(Float32Array.of(1, 1), [1, 2]));
    expect(await numbers(result.y)).toEqual([4, 6]);
    expect(await Promise.all(result.sums.map(numbers))).toEqual([[3], [12]]);
    expect(result.label).toBe("kept");
  });

  test("takes numbers as scalars that change without another program", async () => {
    const run = engine.compile((x: tf.Tensor, rate: tf.Tensor) => tf.mul(x, rate), { name: "scaled" });
    const x = engine.tensor(Float32Array.of(1, 2));
    expect(await numbers(await run(x, 2))).toEqual([2, 4]);
    expect(await numbers(await run(x, 0.5))).toEqual([0.5, 1]);
    expect(engine.describe().programs.filter(({ name }) => name === "scaled")).toHaveLength(1);
  });

  test("makes one program for each signature, structure and static argument", async () => {
    const run = engine.compile(
      (x: { a: tf.Tensor }, flags: { negate: boolean }) => (flags.negate ? tf.neg(x.a) : tf.abs(x.a)),
      {
        name: "signatures",
        static: [1],
      },
    );
    const a = engine.tensor(Float32Array.of(-1, 2));
    expect(await numbers(await run({ a }, { negate: true }))).toEqual([1, -2]);
    expect(await numbers(await run({ a }, { negate: false }))).toEqual([1, 2]);
    expect(await numbers(await run({ a: a.reshape([2, 1]) }, { negate: false }))).toEqual([1, 2]);
    expect(engine.describe().programs.filter(({ name }) => name === "signatures")).toHaveLength(3);
  });

  test("releases the least recently used program of a function", async () => {
    const run = engine.compile((x: tf.Tensor) => tf.neg(x), { name: "bounded", cacheSize: 2 });
    for (const size of [1, 2, 1, 3, 4]) await run(engine.zeros([size]));
    const kept = engine.describe().programs.filter(({ name }) => name === "bounded");
    expect(kept.map(({ signature }) => signature)).toEqual(["float32[3]", "float32[4]"]);
    await run.release();
    expect(engine.describe().programs.filter(({ name }) => name === "bounded")).toEqual([]);
    expect((await run(engine.zeros([1]))).shape).toEqual([1]);
  });

  test("writes results into given tensors, views of one buffer included", async () => {
    const run = engine.compile((x: tf.Tensor) => ({ a: tf.neg(x), b: [tf.add(x, 1), tf.sum(x)] }));
    const packed = engine.pack({ a: [2], gap: [3], b: [2] });
    packed.flat.write(new Float32Array(7).fill(9));
    const result = await run.into(
      { a: packed.views.a, b: [packed.views.b] },
      engine.tensor(Float32Array.of(1, 2)),
    );
    expect(await numbers(packed.flat)).toEqual([-1, -2, 9, 9, 9, 2, 3]);
    expect(result.a).toBe(packed.views.a);
    expect(await numbers(result.b[1]!)).toEqual([3]);
  });

  test("updates in place what is argument and target, also where the order of reads forbids it", async () => {
    const state = engine.pack({ p: [3], m: [3] }, Float32Array.of(1, 2, 3, 0, 0, 0));
    const step = engine.compile(({ p, m }: { p: tf.Tensor; m: tf.Tensor }, g: tf.Tensor) => {
      const next = tf.add(tf.mul(m, 0.5), g);
      return { p: tf.sub(p, next), m: next };
    });
    const g = engine.tensor(Float32Array.of(1, 1, 1));
    await step.into(state.views, state.views, g);
    await step.into(state.views, state.views, g);
    expect(await numbers(state.flat)).toEqual([-1.5, -0.5, 0.5, 1.5, 1.5, 1.5]);
    const shift = engine.compile((x: tf.Tensor) => ({ y: tf.add(tf.reverse(x, 0), 0), z: tf.mul(x, 2) }));
    const x = engine.tensor(Float32Array.of(1, 2, 3));
    const { z } = await shift.into({ y: x }, x);
    expect(await numbers(x)).toEqual([3, 2, 1]);
    expect(await numbers(z)).toEqual([2, 4, 6]);
    const swap = engine.compile((a: tf.Tensor, b: tf.Tensor) => ({ a: tf.add(b, 0.5), b: tf.add(a, 0.5) }));
    const pair = engine.pack({ a: [2], b: [2] }, Float32Array.of(1, 2, 3, 4));
    await swap.into(pair.views, pair.views.a, pair.views.b);
    expect(await numbers(pair.flat)).toEqual([3.5, 4.5, 1.5, 2.5]);
  });

  test("disposes donated arguments and reuses their memory", async () => {
    const run = engine.compile((x: tf.Tensor) => tf.mul(x, 2), { donate: [0] });
    const x = engine.tensor(Float32Array.of(1, 2));
    const y = await run(x);
    expect(await numbers(y)).toEqual([2, 4]);
    await expect(async () => x.read()).rejects.toThrow(VlmR1Error);
  });

  test("updates rows of a cache without copying it", async () => {
    const run = engine.compile(
      (cache: tf.Tensor, rows: tf.Tensor, start: tf.Tensor) => ({
        sum: tf.sum(cache),
        cache: updateSlice(cache, rows, start),
      }),
      { name: "cache" },
    );
    const cache = engine.zeros([2, 4, 3]);
    const rows = engine.tensor(
      Float32Array.from({ length: 6 }, (_, k) => k + 1),
      [2, 1, 3],
    );
    for (const at of [0, 2, 9])
      await run.into({ cache }, cache, rows, engine.tensor(Int32Array.of(0, at, 0)));
    const expected = [1, 2, 3, 0, 0, 0, 1, 2, 3, 1, 2, 3, 4, 5, 6, 0, 0, 0, 4, 5, 6, 4, 5, 6];
    expect(await numbers(cache)).toEqual(expected);
    const { sum, cache: fresh } = await run(cache, rows, engine.tensor(Int32Array.of(0, 1, 0)));
    expect(await numbers(sum)).toEqual([63]);
    expect((await numbers(fresh)).slice(3, 6)).toEqual([1, 2, 3]);
    expect(await numbers(cache)).toEqual(expected);
  });

  test("bakes constants, small and large, and makes another program for other constants", async () => {
    const run = engine.compile((w: tf.Tensor, x: tf.Tensor) => tf.matMul(x, w), {
      name: "baked",
      constant: [0],
    });
    const size = 1200;
    const large = engine.tensor(
      Float32Array.from({ length: size * size }, (_, k) => (k % size === Math.floor(k / size) ? 2 : 0)),
      [size, size],
    );
    const x = engine.tensor(
      Float32Array.from({ length: size }, (_, k) => k),
      [1, size],
    );
    const y = await numbers(await run(large, x));
    expect(y).toEqual(Array.from({ length: size }, (_, k) => 2 * k));
    const small = engine.tensor(Float32Array.of(1, 0, 0, 1), [2, 2]);
    const other = engine.tensor(Float32Array.of(0, 1, 1, 0), [2, 2]);
    const row = engine.tensor(Float32Array.of(5, 6), [1, 2]);
    expect(await numbers(await run(small, row))).toEqual([5, 6]);
    expect(await numbers(await run(other, row))).toEqual([6, 5]);
    expect(await numbers(await run(small, row))).toEqual([5, 6]);
    expect(engine.describe().programs.filter(({ name }) => name === "baked")).toHaveLength(
      engine.device === "cpu" ? 3 : 2,
    ); // other constants are another program only where they are built in
  });

  test("shares memory between a packed buffer, its views and reshaped tensors", async () => {
    const { flat, views } = engine.pack({ layers: [{ w: [2, 2] }, { w: [1, 2] }], b: [1] });
    views.layers[1]!.w.write(Float32Array.of(7, 8));
    views.b.write(Float32Array.of(9));
    flat.write(Float32Array.of(1), 3);
    expect(await numbers(flat)).toEqual([0, 0, 0, 1, 7, 8, 9]);
    expect(await numbers(flat.reshape([7, 1]))).toEqual([0, 0, 0, 1, 7, 8, 9]);
    flat.dispose();
    expect(await numbers(views.layers[0]!.w)).toEqual([0, 0, 0, 1]);
  });

  test("gives bit-identical results from run to run", async () => {
    const run = engine.compile((x: tf.Tensor, i: tf.Tensor) => {
      const rows = tf.gather(x, i as tf.Tensor1D);
      return tf.unsortedSegmentSum(tf.softmax(tf.matMul(rows, x, false, true)), i as tf.Tensor1D, 7);
    });
    const x = engine.tensor(
      Float32Array.from({ length: 500 * 16 }, (_, k) => Math.sin(k)),
      [500, 16],
    );
    const i = engine.tensor(Int32Array.from({ length: 2000 }, (_, k) => (k * 31) % 7));
    const first = await numbers(await run(x, i));
    for (let round = 0; round < 10; round++) expect(await numbers(await run(x, i))).toEqual(first);
  });

  test("runs calls in the order in which they were made", async () => {
    const add = engine.compile((x: tf.Tensor, y: tf.Tensor) => tf.add(x, y));
    const double = engine.compile((x: tf.Tensor) => tf.mul(x, 2));
    const x = engine.tensor(Float32Array.of(1));
    const calls = [add.into(x, x, 1), double.into(x, x), add.into(x, x, 3)];
    await Promise.all(calls);
    expect(await numbers(x)).toEqual([7]);
  });

  test("holds integers and booleans", async () => {
    const run = engine.compile((i: tf.Tensor, b: tf.Tensor) => ({
      i: tf.add(i, tf.scalar(1, "int32")),
      b: tf.logicalNot(b),
      mixed: tf.where(b, i, tf.scalar(0, "int32")),
    }));
    const result = await run(engine.tensor(Int32Array.of(1, 2)), engine.tensor(Uint8Array.of(1, 0)));
    expect([result.i.dtype, result.b.dtype]).toEqual(["int32", "bool"]);
    expect([await result.i.read(), await result.b.read(), await numbers(result.mixed)]).toEqual([
      Int32Array.of(2, 3),
      Uint8Array.of(0, 1),
      [1, 0],
    ]);
  });
});

test("two engines in one process do not disturb each other", async () => {
  const [one, two] = await Promise.all([openEngine({ threads: 1 }), openEngine({ threads: 2 })]);
  const f = (x: tf.Tensor): tf.Tensor => tf.sum(tf.square(x));
  const [runOne, runTwo] = [one.compile(f), two.compile(f)];
  const results = await Promise.all(
    Array.from({ length: 20 }, async (_, k) => {
      const [engine, run] = k % 2 ? [one, runOne] : [two, runTwo];
      return (await (await run(engine.tensor(Float32Array.of(k, 1)))).read())[0];
    }),
  );
  expect(results).toEqual(Array.from({ length: 20 }, (_, k) => k * k + 1));
  await expect(runOne(two.tensor(Float32Array.of(1)))).rejects.toThrow("another engine");
  await one.dispose();
  expect((await runTwo(two.tensor(Float32Array.of(3)))).shape).toEqual([]);
  await expect(runOne(one.tensor(Float32Array.of(1)))).rejects.toThrow("disposed");
  await two.dispose();
});

test("a worker engine leaves the event loop free while it computes", async () => {
  const engine = await openEngine({ threads: 1, worker: true });
  const heavy = engine.compile((x: tf.Tensor) => {
    let y = x;
    for (let k = 0; k < 30; k++) y = tf.tanh(tf.matMul(y, x));
    return tf.sum(y);
  });
  const x = engine.tensor(
    Float32Array.from({ length: 512 * 512 }, (_, k) => Math.sin(k) / 32),
    [512, 512],
  );
  await heavy(x);
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 2);
  const started = performance.now();
  await heavy(x);
  const elapsed = performance.now() - started;
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(Math.min(3, elapsed / 20));
  await engine.dispose();
});

test("describes the device and every program", async () => {
  const engine = await openEngine({ threads: 1 });
  const run = engine.compile((x: tf.Tensor) => tf.mul(tf.exp(x), 2), { name: "described" });
  const prepared = await run.prepare(engine.zeros([100]));
  expect(prepared).toMatchObject({
    name: "described",
    signature: "float32[100]",
    operations: 2,
    runs: 0,
    workBytes: 800,
  });
  await run(engine.zeros([100]));
  const description = engine.describe();
  expect(description).toMatchObject({ device: "cpu", threads: 1, worker: false });
  expect(description.runtime).toMatch(/^ONNX Runtime 1\./);
  expect(description.programs[0]!.runs).toBe(1);
  await engine.dispose();
});

test("keeps programs within the memory limit", async () => {
  const engine = await openEngine({ threads: 1, memoryLimit: 10_000 });
  const run = engine.compile((x: tf.Tensor) => tf.mul(tf.exp(x), 2));
  for (const size of [1000, 1001, 100, 101]) await run(engine.zeros([size]));
  expect(engine.describe().programs.map(({ signature }) => signature)).toEqual([
    "float32[1001]",
    "float32[100]",
    "float32[101]",
  ]);
  await engine.dispose();
});

test("gives the same numbers, and holds less between runs, without keeping scratch memory", () => {
  const file = fileURLToPath(new URL("./scratch-run.ts", import.meta.url));
  const measure = (keep: string) => {
    const flags = ["--conditions=@vlmr1/source", "--import", "tsx", file, keep];
    const text = execFileSync(process.execPath, flags, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return JSON.parse(text.trimEnd().split("\n").at(-1)!) as { sum: number; held: number };
  };
  const [kept, without] = [measure("keep"), measure("release")];
  expect(without.sum).toBe(kept.sum);
  expect(kept.held - without.held).toBeGreaterThan(64e6); // one [4096, 4096]
});
