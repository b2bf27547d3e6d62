import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng, VlmR1Error } from "@vlmr1/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openCheckpoint, saveWeights } from "../../src/weights/checkpoint.ts";
import { openModelFolder } from "../../src/weights/documents.ts";
import { writeSafetensors } from "../../src/weights/safetensors.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vlmr1-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const rng = createRng(7);
const random = (size: number): Float32Array => Float32Array.from({ length: size }, () => rng.normal());
const tensors = [
  { name: "a", shape: [3, 5], data: random(15) },
  { name: "scalar", shape: [], data: random(1) },
  { name: "empty", shape: [0, 4], data: random(0) },
  { name: "b", shape: [2, 2, 2], data: random(8) },
];

async function readAll(): Promise<Record<string, Float32Array>> {
  const checkpoint = await openCheckpoint(await openModelFolder(folder));
  const read: Record<string, Float32Array> = {};
  try {
    for (const [name, { shape }] of checkpoint.tensors) {
      read[name] = new Float32Array(shape.reduce((product, size) => product * size, 1));
      await checkpoint.read(name, read[name]);
    }
  } finally {
    await checkpoint.close();
  }
  return read;
}

const failureOf = async (run: () => Promise<unknown>): Promise<VlmR1Error> => {
  const failure: unknown = await run().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (VlmR1Error.is(failure)) return failure;
  throw new Error(`Expected a VlmR1Error, got ${String(failure)}`);
};

describe("saveWeights and openCheckpoint", () => {
  it("give back what was written, in one file", async () => {
    await saveWeights(folder, tensors);
    expect(readdirSync(folder)).toEqual(["model.safetensors"]);
    expect(await readAll()).toEqual(Object.fromEntries(tensors.map(({ name, data }) => [name, data])));
  });

  it("ask for the weights of one tensor at a time when they are given as functions", async () => {
    let held = 0;
    const lazy = tensors.map(({ name, shape, data }) => ({
      name,
      shape,
      data: async () => {
        held += 1;
        await Promise.resolve();
        expect(held).toBe(1);
        held -= 1;
        return data;
      },
    }));
    await saveWeights(folder, lazy, { maxShardBytes: 62 });
    expect(await readAll()).toEqual(Object.fromEntries(tensors.map(({ name, data }) => [name, data])));
  });

  it("give back the same from shards, whose index has the form of the hub", async () => {
    await saveWeights(folder, tensors, { maxShardBytes: 62 });
    const index = JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8")) as object;
    expect(index).toEqual({
      metadata: { total_size: 96 },
      weight_map: {
        a: "model-00001-of-00002.safetensors",
        scalar: "model-00002-of-00002.safetensors",
        empty: "model-00002-of-00002.safetensors",
        b: "model-00002-of-00002.safetensors",
      },
    });
    expect(await readAll()).toEqual(Object.fromEntries(tensors.map(({ name, data }) => [name, data])));
  });

  it("store half precision in half the bytes and read it as the nearest float32", async () => {
    await saveWeights(folder, tensors, { dtype: "BF16" });
    const { a } = await readAll();
    expect(Math.max(...a!.map((value, i) => Math.abs(value / tensors[0]!.data[i]! - 1)))).toBeLessThanOrEqual(
      2 ** -8,
    );
    expect(statSync(join(folder, "model.safetensors")).size).toBeLessThan(8 + 400 + 48);
  });

  it("pad the header to eight bytes and declare the format, as the Python library does", async () => {
    await saveWeights(folder, tensors);
    const bytes = readFileSync(join(folder, "model.safetensors"));
    const length = Number(bytes.readBigUInt64LE(0));
    expect(length % 8).toBe(0);
    expect(bytes.subarray(8, 8 + length).toString()).toMatch(
      /^\{"__metadata__":\{"format":"pt"\},"a":.*\} *$/,
    );
  });

  it("leave no partial file behind when writing fails", async () => {
    const wrong = [{ name: "a", shape: [2], data: random(3) }];
    await failureOf(() => writeSafetensors(join(folder, "x.safetensors"), wrong, "F32"));
    mkdirSync(join(folder, "x.safetensors"));
    await expect(writeSafetensors(join(folder, "x.safetensors"), tensors, "F32")).rejects.toThrowError(
      /EISDIR|directory/,
    );
    expect(readdirSync(folder)).toEqual(["x.safetensors"]);
  });
});

describe("openCheckpoint", () => {
  it("names the tensor, the index and the value of a weight that is not a number", async () => {
    const data = random(15);
    data[7] = Number.NaN;
    await saveWeights(folder, [{ name: "layers.0.w", shape: [15], data }]);
    const failure = await failureOf(readAll);
    expect(failure.code).toBe("invalid-data");
    expect(failure.message).toMatch(/"layers\.0\.w" has the weight NaN at index 7/);
  });

  it("refuses infinite weights of half precision", async () => {
    await saveWeights(folder, [{ name: "w", shape: [1], data: Float32Array.of(1e6) }], { dtype: "F16" });
    expect((await failureOf(readAll)).message).toMatch(/Infinity at index 0/);
  });

  it("says that integer tensors are not weights", async () => {
    const header = Buffer.from('{"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(join(folder, "model.safetensors"), Buffer.concat([length, header, Buffer.alloc(8)]));
    const failure = await failureOf(readAll);
    expect([failure.code, failure.message]).toEqual([
      "unsupported",
      expect.stringContaining('"ids" is stored as I64'),
    ]);
  });

  it("says what is missing when a folder has no weights", async () => {
    expect((await failureOf(readAll)).code).toBe("not-found");
  });

  it.each(
    readFixture<{ hostile_index: { name: string; index: object; files_present: string[] }[] }>(
      "safetensors.json.gz",
    ).hostile_index,
  )("refuses a hostile index: $name", async ({ index, files_present: present }) => {
    for (const file of present)
      await writeSafetensors(join(folder, file), [{ name: "a", shape: [1], data: random(1) }], "F32");
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    const failure = await failureOf(readAll);
    expect(["invalid-data", "not-found"]).toContain(failure.code);
  });

  it("bounds what an index of absent shards may cost and say", async () => {
    const write = (count: number): void => {
      const weights = Array.from({ length: count }, (_, i) => [`t${i}`, `model-${i}.safetensors`]);
      const index = { weight_map: Object.fromEntries(weights) };
      writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    };
    write(300_000);
    expect(await failureOf(readAll)).toMatchObject({
      code: "limit",
      message: expect.stringMatching(/lists 300000 shards/),
    });
    write(900);
    const { code, message } = await failureOf(readAll);
    expect(code).toBe("not-found");
    expect(message).toMatch(/model-4\.safetensors and 895 more/);
    expect(message.length).toBeLessThan(500);
  });
});
