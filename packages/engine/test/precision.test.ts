import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as tf from "@tensorflow/tfjs";
import { createRng } from "@vlmr1/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  narrow,
  narrowingError,
  openEngine,
  valueAndGrad,
  widen,
  type DeviceTensor,
  type Engine,
  type EngineOptions,
  type NarrowBlocks,
  type Precision,
} from "../src/index.ts";
import type { TensorSpec } from "../src/graph/node.ts";
import { toOnnx } from "../src/onnx/onnx-model.ts";
import { record } from "../src/record/record.ts";

/** Blocks as llama.cpp's package `gguf` and ONNX Runtime's own quantizer make them. */
interface Fixture {
  readonly shape: [number, number];
  readonly values: number[];
  readonly int8: { readonly scales: number[]; readonly numbers: number[]; readonly widened: number[] };
  readonly int4: { readonly scales: number[]; readonly numbers: number[]; readonly widened: number[] };
  readonly onnxruntime4: { readonly scales: number[]; readonly codes: number[] };
}

const fixture = JSON.parse(
  readFileSync(new URL("fixtures/narrow_blocks.json", import.meta.url), "utf8"),
) as Fixture;
const values = Float32Array.from(fixture.values);

const blocksOf = (data: Float32Array, shape: readonly number[], precision: "int8" | "int4"): NarrowBlocks =>
  narrow(data, shape, precision) as NarrowBlocks;

function numbersOf({ precision, codes }: NarrowBlocks): number[] {
  return precision === "int8"
    ? Array.from(codes, (code) => code - 128)
    : Array.from(codes).flatMap((code) => [(code & 15) - 8, (code >> 4) - 8]);
}

/** Zeros without sign: a scale of zero may have either. */
const plain = (scales: ArrayLike<number>): number[] => Array.from(scales, (scale) => scale + 0);

const random = (length: number, label: string): Float32Array => {
  const rng = createRng(7).fork(label);
  return Float32Array.from({ length }, () => rng.normal());
};

describe("a matrix in 8 or 4 bits", () => {
  test.each(["int8", "int4"] as const)("%s: numbers and scales are llama.cpp's", (precision) => {
    const stored = blocksOf(values, fixture.shape, precision);
    expect(numbersOf(stored)).toEqual(fixture[precision].numbers);
    // a file stores the scale in 16 bits
    stored.scales.forEach((scale, block) => {
      const want = fixture[precision].scales[block] as number;
      expect(Math.abs(scale - want)).toBeLessThanOrEqual(Math.abs(want) * 2 ** -11);
    });
  });

  test.each(["int8", "int4"] as const)("%s: what such a file holds is stored without loss", (precision) => {
    const { widened, scales, numbers } = fixture[precision];
    const stored = blocksOf(Float32Array.from(widened), fixture.shape, precision);
    expect(plain(widen(stored))).toEqual(plain(widened));
    expect(plain(stored.scales)).toEqual(plain(scales));
    expect(numbersOf(stored)).toEqual(numbers);
  });

  test("int4: codes are what ONNX Runtime's quantizer packs, where magnitudes do not tie", () => {
    const stored = blocksOf(values, fixture.shape, "int4");
    const first = 1; // the first block has two elements of the largest magnitude; either may set the scale
    expect(plain(stored.scales.subarray(first))).toEqual(plain(fixture.onnxruntime4.scales.slice(first)));
    expect(Array.from(stored.codes.subarray(16 * first))).toEqual(
      fixture.onnxruntime4.codes.slice(16 * first),
    );
  });

  test.each([
    ["int8", 1 / 254],
    ["int4", 1 / 8], // the far side of the range ends at 7 of 8 scales
  ] as const)("%s: no element moves by more than its block allows", (precision, share) => {
    const data = random(5 * 80, "bound"); // rows of two and a half blocks
    const stored = blocksOf(data, [5, 80], precision);
    const back = widen(stored);
    for (let row = 0; row < 5; row++) {
      for (let first = 0; first < 80; first += 32) {
        const part = [row * 80 + first, row * 80 + Math.min(80, first + 32)] as const;
        const largest = Math.max(...data.subarray(...part).map(Math.abs));
        for (let i = part[0]; i < part[1]; i++)
          expect(Math.abs(back[i]! - data[i]!)).toBeLessThanOrEqual(largest * share * 1.0001);
      }
    }
    const { relative, largest } = narrowingError(stored, data);
    expect(largest).toBe(Math.max(...back.map((value, i) => Math.abs(value - data[i]!))));
    expect(relative).toBeGreaterThan(0);
    expect(relative).toBeLessThan(precision === "int8" ? 0.008 : 0.12);
    expect(narrowingError(blocksOf(back, [5, 80], precision), back)).toEqual({ relative: 0, largest: 0 });
  });

  test("zeros and numbers too small for a scale become zeros", () => {
    const data = new Float32Array(64).fill(1e-41, 32);
    expect(Array.from(widen(narrow(data, [2, 32], "int4")))).toEqual(Array(64).fill(0));
  });

  test("refuses what it cannot hold", () => {
    expect(() => narrow(new Float32Array(8), [2, 2, 2], "int8")).toThrow(/Only matrices.*\[2, 2, 2\]/);
    expect(() => narrow(Float32Array.of(1, NaN), [1, 2], "int4")).toThrow(/Row 0.*not finite/);
    expect(() => narrow(Float32Array.of(Infinity, 1), [2, 1], "int8")).toThrow(/Row 0.*not finite/);
  });
});

test("bfloat16 rounds to the nearest, halves to even, and keeps what is not a number", () => {
  const cases: [number, number][] = [
    [1, 1],
    [1 + 2 ** -8, 1],
    [1 + 3 * 2 ** -8, 1 + 2 ** -6],
    [1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
    [-3.39e38, -3.3895313892515355e38],
    [3.39e38, 3.3895313892515355e38],
    [3.4028234663852886e38, Infinity],
    [NaN, NaN],
    [-Infinity, -Infinity],
  ];
  const stored = narrow(
    Float32Array.from(cases, ([value]) => value),
    [cases.length],
    "bfloat16",
  );
  expect(Array.from(widen(stored))).toEqual(cases.map(([, want]) => want));
});

const engines: [string, EngineOptions][] = [
  ["cpu", { threads: 2 }],
  ["cpu in a worker thread", { threads: 2, worker: true }],
];

describe.each(engines)("an engine on %s with narrow tensors", (_, options) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine(options);
  });
  afterAll(async () => engine.dispose());

  const pairs = (precision: Precision, shape: [number, number], label: string) => {
    const stored = engine.tensor(random(shape[0] * shape[1], label), shape, precision);
    const wide = async (): Promise<DeviceTensor> =>
      engine.tensor((await stored.read()) as Float32Array, shape);
    return { stored, wide };
  };

  test("tensors say how they are stored, read back widened, and are frozen", async () => {
    const { stored } = pairs("int4", [4, 64], "frozen");
    expect(stored).toMatchObject({
      shape: [4, 64],
      dtype: "float32",
      size: 256,
      precision: "int4",
      bytes: 160,
    });
    const wanted = widen(narrow(random(256, "frozen"), [4, 64], "int4"));
    expect(Array.from(await stored.read())).toEqual(Array.from(wanted));
    expect(() => stored.write(new Float32Array(256))).toThrow(/stored as int4 cannot be written/);
    expect(() => stored.reshape([256])).toThrow(/stored as int4 cannot be seen under another shape/);
    const eager = engine.tensor(tf.ones([2, 32]), undefined, "int8");
    expect([eager.precision, eager.shape]).toEqual(["int8", [2, 32]]);
    expect(() => engine.tensor(Int32Array.of(1), [1], "bfloat16")).toThrow(/float32/);
    expect(engine.tensor(new Float32Array(2)).precision).toBe("float32");
    expect(engine.tensor(new Float32Array(2)).bytes).toBe(8);
  });

  test.each([
    ["int8", 64],
    ["int4", 64],
    ["int8", 80],
    ["int4", 80],
    ["bfloat16", 64],
  ] as const)(
    "%s, %i columns: products, gradients, rows and anything else equal the widened matrix's",
    async (precision, K) => {
      const { stored, wide } = pairs(precision, [40, K], "all");
      const loss = (x: tf.Tensor, w: tf.Tensor, ids: tf.Tensor) => {
        const { value, grads } = valueAndGrad((x: tf.Tensor) => {
          const y = tf.matMul(tf.tanh(tf.matMul(x, w, false, true)), w); // both ways round
          return tf.sum(tf.square(y)) as tf.Scalar;
        })(x);
        const other = tf.matMul(tf.transpose(w), w); // [K, K]
        return { value, grads, rows: tf.gather(w, ids), other, same: w, scaled: tf.mul(w, 2) };
      };
      const run = engine.compile(loss, { name: "loss" });
      const x = engine.tensor(random(3 * K, "x"), [3, K]);
      const ids = engine.tensor(Int32Array.of(39, 0, 7, 7), [2, 2]);
      const got = await run(x, stored, ids);
      const want = await run(x, await wide(), ids);
      for (const name of ["value", "grads", "rows", "other", "same", "scaled"] as const) {
        const [a, b] = [await got[name].read(), await want[name].read()];
        const scale = Math.max(...Array.from(b, Math.abs));
        expect(got[name].shape).toEqual(want[name].shape);
        a.forEach((value, i) => expect(Math.abs(value - b[i]!) / scale).toBeLessThan(2e-6));
      }
      await run.release();
    },
  );

  test.each(["int8", "int4"] as const)(
    "%s products in whole numbers are near, faster ones only when asked",
    async (precision) => {
      const { stored, wide } = pairs(precision, [96, 256], "near");
      const product = (x: tf.Tensor, w: tf.Tensor) => tf.matMul(x, w, false, true);
      const x = engine.tensor(random(4 * 256, "x"), [4, 256]);
      const want = await (await engine.compile(product)(x, await wide())).read();
      const norm = Math.hypot(...want);
      const distance = async (int8Products: boolean): Promise<number> => {
        const got = await (await engine.compile(product, { int8Products })(x, stored)).read();
        return Math.hypot(...Array.from(got, (value, i) => value - want[i]!)) / norm;
      };
      expect(await distance(false)).toBeLessThan(1e-6);
      const error = await distance(true);
      expect(error).toBeGreaterThan(1e-5);
      expect(error).toBeLessThan(0.01);
    },
  );

  test("another matrix in the same place is another program, and a used-up one gives no memory away", async () => {
    const run = engine.compile((w: tf.Tensor) => tf.add(w, 1), { donate: [0] });
    const first = engine.tensor(new Float32Array(64).fill(1), [2, 32], "int8");
    const second = engine.tensor(new Float32Array(64).fill(2), [2, 32], "int8");
    expect(Array.from(await (await run(first)).read())).toEqual(Array(64).fill(2));
    expect(Array.from(await (await run(second)).read())).toEqual(Array(64).fill(3));
    await expect(first.read()).rejects.toThrow(/disposed/);
  });

  test("a result is not written into a narrow tensor", async () => {
    const run = engine.compile((x: tf.Tensor) => tf.add(x, 1));
    const target = engine.tensor(new Float32Array(64), [2, 32], "int8");
    await expect(run.into(target, engine.zeros([2, 32]))).rejects.toThrow(/target is int8\[2,32\]/);
  });
});

test("matrices that are widened part by part give the same products", async () => {
  const engine = await openEngine({ threads: 2 });
  const [rows, columns] = [16400, 2080]; // more than 2^25 elements
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < data.length; i++) data[i] = ((i * 2654435761) % 1000) / 500 - 1;
  const stored = engine.tensor(data, [rows, columns], "int4");
  const w = (await stored.read()) as Float32Array;
  const x = random(columns, "x");
  const y = random(rows, "y");
  const run = engine.compile((x: tf.Tensor, y: tf.Tensor, w: tf.Tensor) => [
    tf.matMul(x, w, false, true),
    tf.matMul(y, w),
  ]);
  const [across, down] = await run(engine.tensor(x, [1, columns]), engine.tensor(y, [1, rows]), stored);
  const [a, d] = [await across!.read(), await down!.read()];
  for (const row of [0, 8191, 16383, 16384, 16399]) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += x[k]! * w[row * columns + k]!;
    expect(a[row]).toBeCloseTo(sum, 3);
  }
  for (const column of [0, 1041, 2079]) {
    let sum = 0;
    for (let n = 0; n < rows; n++) sum += y[n]! * w[n * columns + column]!;
    expect(d[column]).toBeCloseTo(sum, 2);
  }
  await engine.dispose();
});

test("in whole numbers, nothing is widened", async () => {
  const shape = [64, 64] as const;
  const place = { location: "constants", offset: 0, length: 1 };
  const baked = new Map([
    [1, { precision: "int8", shape, codes: place, scales: place, zeros: place } as const],
  ]);
  const specs: TensorSpec[] = [
    { shape: [2, 64], dtype: "float32" },
    { shape, dtype: "float32", precision: "int8" },
    { shape: [3], dtype: "int32" },
  ];
  const call = ([x, w, ids]: tf.Tensor[]): tf.Tensor[] => [
    tf.matMul(x!, w!, false, true),
    tf.gather(w!, ids!),
  ];
  const { graph } = record(call, specs, { name: "test", captureLimit: 0 });
  const operators = (int8Products: boolean): string[] => {
    const model = toOnnx({ inputs: graph.inputs, outputs: graph.outputs, baked, int8Products });
    const text = Buffer.from(model.bytes).toString("latin1");
    return ["MatMulNBits", "GatherBlockQuantized", "DequantizeLinear"].filter((name) => text.includes(name));
  };
  expect(operators(true)).toEqual(["MatMulNBits", "GatherBlockQuantized"]);
  expect(operators(false)).toEqual(["GatherBlockQuantized", "DequantizeLinear"]);
});

test("files of narrow tensors go with their tensors, the last with the engine", async () => {
  const own = (): string[] =>
    readdirSync(tmpdir()).filter((name) => name.startsWith(`vlmr1-engine-${process.pid}-`));
  const before = new Set(own());
  const engine = await openEngine({ threads: 1 });
  const tensors = [1, 2].map((value) => engine.tensor(new Float32Array(64).fill(value), [2, 32], "int8"));
  const [folder] = own().filter((name) => !before.has(name));
  const path = `${tmpdir()}/${folder}`;
  const product = engine.compile((x: tf.Tensor, w: tf.Tensor) => tf.matMul(x, w, false, true));
  const x = engine.tensor(new Float32Array(32).fill(1), [1, 32]);
  await product(x, tensors[0]!);
  expect(readdirSync(path)).toHaveLength(2);
  tensors[0]!.dispose();
  expect(readdirSync(path)).toHaveLength(1);
  expect(Array.from(await (await product(x, tensors[1]!)).read())).toEqual([64, 64]);
  await engine.dispose();
  expect(existsSync(path)).toBe(false);
});
