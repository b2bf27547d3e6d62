import { VlmR1Error } from "@vlmr1/core";
import { dtypeBits, isSafetensorsDtype, type SafetensorsDtype } from "./dtype.ts";

/** Where one tensor lies in a safetensors file. */
export interface TensorEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** First byte and the byte after the last, counted from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

/** A checked header. */
export interface SafetensorsHeader {
  /** By name, in the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Longest header that the format allows, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * The length of the JSON header from the first eight bytes of a file of `fileSize` bytes. `file` names it in errors.
 *
 * @throws VlmR1Error `invalid-data` when the length cannot be right; nothing of that length has been allocated.
 */
export function headerLength(firstBytes: Uint8Array, fileSize: number, file: string): number {
  if (firstBytes.length < 8) fail(file, `it has ${fileSize} bytes, a safetensors file has at least 10`);
  const length = new DataView(firstBytes.buffer, firstBytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    fail(file, `its header claims ${length} bytes, the format allows ${MAX_HEADER_BYTES}`);
  if (length > BigInt(fileSize - 8))
    fail(file, `its header claims ${length} bytes, the file has ${fileSize}`);
  return Number(length);
}

/**
 * Reads and checks the JSON header. The tensors must cover the data without gaps, overlaps or a rest, which also makes
 * sure that no two names share bytes.
 *
 * Format: https://github.com/huggingface/safetensors#format.
 *
 * @throws VlmR1Error `invalid-data` with the tensor's name and what is wrong with it.
 */
export function parseHeader(bytes: Uint8Array, fileSize: number, file: string): SafetensorsHeader {
  const dataStart = 8 + bytes.length;
  const json = parseObject(bytes, file);
  const metadata = new Map<string, string>();
  const entries: [string, TensorEntry][] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === "__metadata__") readMetadata(value, metadata, file);
    else entries.push([name, readEntry(name, value, dataStart, file)]);
  }
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = dataStart;
  for (const [name, entry] of entries) {
    if (entry.begin !== position) {
      fail(
        file,
        `tensor "${name}" starts at byte ${entry.begin - dataStart} of the data, expected ${position - dataStart}`,
      );
    }
    position = entry.end;
  }
  if (position !== fileSize) {
    fail(
      file,
      `its tensors end at byte ${position}, the file has ${fileSize} bytes; it may be a partial download`,
    );
  }
  return { tensors: new Map(entries), metadata };
}

function parseObject(bytes: Uint8Array, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    fail(file, `its header is not JSON (${(cause as Error).message.slice(0, 80)})`);
  }
  if (!isRecord(value)) fail(file, "its header is not a JSON object");
  return value;
}

function readMetadata(value: unknown, metadata: Map<string, string>, file: string): void {
  if (value === null) return;
  if (!isRecord(value)) fail(file, "__metadata__ is not an object");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") fail(file, `__metadata__.${key} is not a string`);
    metadata.set(key, text);
  }
}

function readEntry(name: string, value: unknown, dataStart: number, file: string): TensorEntry {
  if (!isRecord(value)) fail(file, `tensor "${name}" is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isSafetensorsDtype(dtype))
    fail(file, `tensor "${name}" has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!isCounts(shape)) fail(file, `tensor "${name}" has the shape ${JSON.stringify(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2)
    fail(file, `tensor "${name}" has data_offsets ${JSON.stringify(offsets)}`);
  const [begin, end] = offsets as [number, number];
  // A product above 2^53 is inexact but still far above any file; it can never pass for a small one.
  const bits = shape.reduce((product, size) => product * size, 1) * dtypeBits(dtype);
  if (bits !== (end - begin) * 8) {
    fail(
      file,
      `tensor "${name}" (${dtype}, [${shape.join(", ")}]) needs ${bits / 8} bytes, data_offsets give ${end - begin}`,
    );
  }
  return { dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

function fail(file: string, what: string): never {
  throw new VlmR1Error(
    "invalid-data",
    `${file} is not a sound safetensors file: ${what}. Download or save it again.`,
  );
}
