import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { afterAll, describe, expect, it } from "vitest";
import {
  headerLength,
  MAX_HEADER_BYTES,
  parseHeader,
  readHeader,
  readTensorBytes,
  type SafetensorsFile,
} from "../../src/weights/safetensors.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

interface FileCase {
  readonly name: string;
  readonly bytes_base64: string;
  readonly expected: string;
  readonly metadata?: Record<string, string> | null;
  readonly tensors?: Record<
    string,
    { dtype: string; shape: number[]; values: (number | string | boolean)[] }
  >;
}

const { valid, hostile } = readFixture<{ valid: FileCase[]; hostile: FileCase[] }>("safetensors.json.gz");
const folder = mkdtempSync(join(tmpdir(), "vlmr1-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function withFile<T>(bytes: Uint8Array, use: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  const path = join(folder, "case.safetensors");
  writeFileSync(path, bytes);
  const handle = await open(path, "r");
  try {
    return await use(await readHeader(handle, "case.safetensors"));
  } finally {
    await handle.close();
  }
}

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));

/** Whole numbers and floats of the types that JavaScript has arrays for. */
const ARRAYS: Record<string, (buffer: ArrayBuffer) => Iterable<number | bigint>> = {
  F64: (buffer) => new Float64Array(buffer),
  F32: (buffer) => new Float32Array(buffer),
  I64: (buffer) => new BigInt64Array(buffer),
  U64: (buffer) => new BigUint64Array(buffer),
  I32: (buffer) => new Int32Array(buffer),
  U32: (buffer) => new Uint32Array(buffer),
  I16: (buffer) => new Int16Array(buffer),
  U16: (buffer) => new Uint16Array(buffer),
  I8: (buffer) => new Int8Array(buffer),
  U8: (buffer) => new Uint8Array(buffer),
};

describe("readHeader", () => {
  it.each(valid)("reads a valid file: $name", async ({ bytes_base64: bytes, tensors, metadata }) => {
    await withFile(fromBase64(bytes), async (file) => {
      expect(new Set(file.tensors.keys())).toEqual(new Set(Object.keys(tensors!)));
      expect(Object.fromEntries(file.metadata)).toEqual(metadata ?? {});
      for (const [name, { dtype, shape, values }] of Object.entries(tensors!)) {
        expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
        const view = ARRAYS[dtype];
        if (!view) continue;
        const stored = [...view((await readTensorBytes(file, name)).buffer as ArrayBuffer)].map(String);
        expect(stored).toEqual(
          values.map((value) => (dtype === "F32" ? String(Math.fround(Number(value))) : String(value))),
        );
      }
    });
  });

  it.each(hostile.filter(({ expected }) => expected.startsWith("error") && !expected.includes("or ok")))(
    "refuses a hostile file: $name",
    async ({ bytes_base64: bytes }) => {
      const failure = await withFile(fromBase64(bytes), async () => undefined).catch(
        (error: unknown) => error,
      );
      expect(failure).toSatisfy((error) => VlmR1Error.is(error, "invalid-data"));
      expect(String(failure)).toContain("case.safetensors");
    },
  );

  it("accepts tensors that are named like members of Object.prototype as plain entries", async () => {
    const text =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}';
    const header = new TextEncoder().encode(text);
    const { tensors } = parseHeader(header, 8 + header.length + 2, "x");
    expect([...tensors.keys()]).toEqual(["__proto__", "constructor"]);
  });
});

describe("parseHeader", () => {
  it("refuses 20000 nested levels with a named error", () => {
    const header = new TextEncoder().encode(`{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}`);
    expect(() => parseHeader(header, 8 + header.length, "deep")).toThrowError(/deep.*512 levels/);
  });

  it("shows a shape of a million sides in few characters", () => {
    const shape = Array.from({ length: 1_000_000 }, () => -1);
    const header = new TextEncoder().encode(
      JSON.stringify({ a: { dtype: "F32", shape, data_offsets: [0, 4] } }),
    );
    let message = "";
    try {
      parseHeader(header, 12 + header.length, "long");
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/tensor "a" has the shape/);
    expect(message.length).toBeLessThan(400);
  });
});

describe("headerLength", () => {
  it("refuses a length above the limit of the format before anything of that size is allocated", () => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(MAX_HEADER_BYTES) + 1n, true);
    expect(() => headerLength(bytes, 2 ** 40, "big")).toThrowError(/100000001 bytes/);
  });

  it("refuses every truncation of a valid file", async () => {
    const whole = fromBase64(valid[0]!.bytes_base64);
    for (let length = 0; length < whole.length; length++) {
      const failure = await withFile(whole.slice(0, length), async () => undefined).catch(
        (error: unknown) => error,
      );
      expect(failure).toSatisfy((error) => VlmR1Error.is(error, "invalid-data"));
    }
  });

  it("never reads past the file or crashes when one byte of the header is changed", async () => {
    const whole = fromBase64(valid[0]!.bytes_base64);
    for (let at = 0; at < whole.length; at++) {
      const damaged = whole.slice();
      damaged[at] = damaged[at]! ^ 0x15;
      const failure = await withFile(damaged, async () => undefined).catch((error: unknown) => error);
      expect(failure).toSatisfy((error) => error === undefined || VlmR1Error.is(error, "invalid-data"));
    }
  });
});
