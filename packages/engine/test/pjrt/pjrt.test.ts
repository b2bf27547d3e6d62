import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allGather, allSum, openEngine, updateSlice, valueAndGrad, type Engine } from "../../src/index.ts";
import { liveNodes } from "../../src/graph/node.ts";
import { compileOptions } from "../../src/pjrt/compile-options.ts";
import { openClient } from "../../src/pjrt/pjrt-client.ts";
import { withNode } from "../../src/pjrt/pjrt-device.ts";
import { toModule } from "../../src/pjrt/stablehlo-module.ts";
import { explainRunError } from "../../src/record/explain.ts";
import { record } from "../../src/record/record.ts";
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

test("the sum of a product of a parameter compiles, which ended the process with one build", async () => {
  const run = engine.compile((x: tf.Tensor) => tf.sum(tf.matMul(x, x)), { name: "sum of product" });
  expect(await numbers(await run(engine.tensor(new Float32Array(64 * 64).fill(0.5), [64, 64])))).toEqual([
    65536,
  ]);
});

test("an error of the compiler names the operation and the line that recorded it", async () => {
  const call = ([x]: tf.Tensor[]): tf.Tensor => tf.neg(tf.matMul(x!, x!));
  const options = { name: "broken", captureLimit: 0, keepSites: true };
  const { graph } = record(call, [{ shape: [2, 2], dtype: "float32", precision: "float32" }], options);
  const layout = {
    rows: [{ dtype: "float32", length: 4 }],
    inputs: [{ row: 0, offset: 0 }],
    targets: [undefined],
  } as const;
  const module = toModule(graph, layout, {
    bfloat16: false,
    alignment: 64,
    replicas: 1,
    split: new Set(),
    elementOf: () => "f32",
  });
  const client = openClient(deviceUnderTest.plugin!, {});
  const compiling = client.compile(module.text.replace("dot_general", "dot_particular"), compileOptions(1));
  const error = withNode(await compiling.catch((problem: unknown) => problem), module);
  const nodes = new Map(liveNodes(graph.outputs).map((node) => [node.id, node.site]));
  const request = { name: "broken", whereRecorded: (id: number) => nodes.get(id) };
  expect(String(explainRunError(error, request))).toMatch(
    /broken failed while running in BatchMatMul, recorded at .*pjrt\.test\.ts:\d+:\d+.*: MatMul_\d+: PJRT_Client_Compile/s,
  );
  client.close();
});

test("memory that is not there is an error with the plugin's code and the number of bytes", async () => {
  const run = engine.compile(
    (x: tf.Tensor) => tf.matMul(tf.tile(x, [2 ** 20, 2 ** 10]), tf.tile(x, [2 ** 10, 2 ** 20])),
    { name: "too much" },
  );
  await expect(run(engine.zeros([1, 1]))).rejects.toThrow(/too much failed while running: .*\(8\).*ytes/s);
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

test("a key-value cache is updated in place", async () => {
  const run = engine.compile(
    (cache: tf.Tensor, rows: tf.Tensor, at: tf.Tensor) => updateSlice(cache, rows, at),
    { name: "cache", donate: [0] },
  );
  let cache = engine.zeros([64, 256]);
  for (let k = 0; k < 4; k++) {
    const rows = engine.tensor(new Float32Array(256).fill(k), [1, 256]);
    cache = await run(cache, rows, tf.tensor1d([k, 0], "int32"));
  }
  expect((await numbers(cache)).filter((_, k) => k % 256 === 0).slice(0, 5)).toEqual([0, 1, 2, 3, 0]);
});

describe("compiled programs in a folder", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "vlmr1-programs-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const runOnce = async (): Promise<{ compiled: number; loaded: number; values: number[] }> => {
    const own = await openEngine({ ...deviceUnderTest, programFolder: folder });
    const run = own.compile((x: tf.Tensor) => tf.softmax(tf.matMul(x, x)), { name: "kept" });
    const values = await numbers(await run(own.tensor(Float32Array.of(1, 2, 3, 4), [2, 2])));
    const { compiled, loaded, seconds } = own.describe().compilation;
    expect(seconds).toBeGreaterThan(0);
    await own.dispose();
    return { compiled, loaded, values };
  };

  test("the second start compiles nothing, and a damaged program is compiled again", async () => {
    const first = await runOnce();
    expect(first).toMatchObject({ compiled: 1, loaded: 0 });
    expect(await runOnce()).toEqual({ ...first, compiled: 0, loaded: 1 });
    const [name] = readdirSync(folder);
    writeFileSync(join(folder, name!), readFileSync(join(folder, name!)).fill(7, 1000, 2000));
    expect(await runOnce()).toEqual(first);
    expect(await runOnce()).toEqual({ ...first, compiled: 0, loaded: 1 });
  });
});

describe("several processors", () => {
  // A line through points, by least squares: the gradient over a batch is the mean of the gradients over its parts.
  const points = Float32Array.from({ length: 32 * 4 }, (_, k) => Math.sin(k));
  const train = async (replicas: number): Promise<{ weights: number[]; rows: number[] }> => {
    const own = await openEngine({ ...deviceUnderTest, replicas });
    const loss = (w: tf.Tensor, x: tf.Tensor): { value: tf.Tensor; aux: tf.Tensor } => {
      const residuals = tf.sub(tf.matMul(x, w), tf.sum(x, 1, true)); // [B, 1]
      return { value: tf.mean(tf.square(residuals)), aux: residuals };
    };
    const step = own.compile(
      (w: tf.Tensor, x: tf.Tensor) => {
        const { grads, aux } = valueAndGrad(loss)(w, x);
        return { w: tf.sub(w, tf.mul(allSum(grads), 0.1 / replicas)), rows: allGather(aux) };
      },
      { name: "step", split: [1] },
    );
    const w = own.zeros([4, 1]);
    const x = own.tensor(points, [32, 4]);
    let rows: number[] = [];
    for (let k = 0; k < 3; k++) rows = await numbers((await step.into({ w }, w, x)).rows);
    const result = { weights: await numbers(w), rows };
    await own.dispose();
    return result;
  };

  test.each([2, 4])("%i of them give what one gives", async (replicas) => {
    const [one, many] = [await train(1), await train(replicas)];
    expect(many.rows.length).toBe(32);
    many.weights.forEach((value, k) => expect(value).toBeCloseTo(one.weights[k]!, 6));
    many.rows.forEach((value, k) => expect(value).toBeCloseTo(one.rows[k]!, 6));
  });

  test("a batch that cannot be split, and more processors than there are, are refused", async () => {
    const own = await openEngine({ ...deviceUnderTest, replicas: 2 });
    const run = own.compile((x: tf.Tensor) => allSum(tf.sum(x)), { name: "odd", split: [0] });
    await expect(run(own.zeros([3]))).rejects.toThrow(/odd: .*\[3\] cannot be split between 2 processors/);
    await own.dispose();
    await expect(openEngine({ ...deviceUnderTest, replicas: 100 })).rejects.toThrow(/from 1 to \d+/);
  });
});

test("wrong options of the plugin are refused before XLA sees them", async () => {
  const open = (pluginOptions: Record<string, string | number>) =>
    openEngine({ ...deviceUnderTest, pluginOptions });
  await expect(open({ cpu_devices: 2 })).rejects.toThrow(
    /no option "cpu_devices". It takes: cpu_device_count/,
  );
  await expect(open({ cpu_device_count: "2" })).rejects.toThrow(/must be an integer; got "2"/);
});
