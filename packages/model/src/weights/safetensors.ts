import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { showValue, VlmR1Error } from "@vlmr1/core";
import { parseJson } from "@vlmr1/core/files";
import {
  decodeWeights,
  dtypeBits,
  encodeWeights,
  isSafetensorsDtype,
  isWeightDtype,
  type SafetensorsDtype,
  weightBytes,
  type WeightDtype,
} from "./dtype.ts";

/** Where one tensor lies in a safetensors file. */
interface TensorEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** First byte and the byte after the last, counted from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

/** A checked header. */
interface SafetensorsHeader {
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
 * Reads and checks the JSON header. The tensors must cover the data without gaps, overlaps or a rest, which also makes sure that
 * no two names share bytes.
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
    value = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes), { file });
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
  if (!isSafetensorsDtype(dtype)) fail(file, `tensor "${name}" has the unknown dtype ${showValue(dtype)}`);
  if (!isCounts(shape)) fail(file, `tensor "${name}" has the shape ${showValue(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2)
    fail(file, `tensor "${name}" has data_offsets ${showValue(offsets)}`);
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

/** An open safetensors file. */
export interface SafetensorsFile extends SafetensorsHeader {
  /** File name, for errors. */
  readonly name: string;
  readonly handle: FileHandle;
}

/** Stored bytes that are held at once while a tensor is converted. */
const CHUNK_BYTES = 4 * 2 ** 20;

/**
 * Reads and checks the header of an open file. Data is read later, tensor by tensor.
 *
 * @throws VlmR1Error `invalid-data` when the file is not sound; see `parseHeader`.
 */
export async function readHeader(handle: FileHandle, name: string): Promise<SafetensorsFile> {
  const { size } = await handle.stat();
  const first = new Uint8Array(8);
  const { bytesRead } = await handle.read(first, 0, 8, 0);
  const length = headerLength(first.subarray(0, bytesRead), size, name);
  const bytes = new Uint8Array(length);
  await readFully(handle, bytes, 8, name);
  return { ...parseHeader(bytes, size, name), name, handle };
}

/**
 * Reads one tensor as float32 into `target`, in pieces, so that nothing beyond the target and a few megabytes is allocated.
 *
 * @throws VlmR1Error `unsupported` for a type other than F32, F16 or BF16, `invalid-data` for NaN or infinite weights.
 */
export async function readWeights(
  file: SafetensorsFile,
  tensor: string,
  target: Float32Array,
): Promise<void> {
  const entry = entryOf(file, tensor);
  const { dtype } = entry;
  if (!isWeightDtype(dtype)) {
    throw new VlmR1Error(
      "unsupported",
      `${file.name}: tensor "${tensor}" is stored as ${dtype}; weights must be F32, F16 or BF16.`,
    );
  }
  const size = weightBytes(dtype);
  if (target.length * size !== entry.end - entry.begin) {
    throw new VlmR1Error(
      "invalid-argument",
      `Tensor "${tensor}" has ${(entry.end - entry.begin) / size} weights, not ${target.length}.`,
    );
  }
  const perChunk = CHUNK_BYTES / size;
  const buffer = dtype === "F32" ? undefined : new Uint8Array(Math.min(CHUNK_BYTES, target.length * size));
  for (let start = 0; start < target.length; start += perChunk) {
    const part = target.subarray(start, Math.min(start + perChunk, target.length));
    const position = entry.begin + start * size;
    if (buffer) {
      const bytes = buffer.subarray(0, part.length * size);
      await readFully(file.handle, bytes, position, file.name);
      decodeWeights(bytes, dtype, part);
    } else {
      await readFully(
        file.handle,
        new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
        position,
        file.name,
      );
    }
    checkFinite(part, start, tensor, file.name);
  }
}

/** The stored bytes of one tensor of any type. */
export async function readTensorBytes(file: SafetensorsFile, tensor: string): Promise<Uint8Array> {
  const entry = entryOf(file, tensor);
  const bytes = new Uint8Array(entry.end - entry.begin);
  await readFully(file.handle, bytes, entry.begin, file.name);
  return bytes;
}

function entryOf(file: SafetensorsFile, tensor: string): TensorEntry {
  const entry = file.tensors.get(tensor);
  if (entry) return entry;
  throw new VlmR1Error("invalid-data", `${file.name} has no tensor "${tensor}".`);
}

async function readFully(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
  name: string,
): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0)
      throw new VlmR1Error("invalid-data", `${name} ended while it was read; was it changed or truncated?`);
    done += bytesRead;
  }
}

function checkFinite(values: Float32Array, start: number, tensor: string, name: string): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new VlmR1Error(
      "invalid-data",
      `${name}: tensor "${tensor}" has the weight ${values[i]} at index ${start + i}. The checkpoint is damaged or its training diverged.`,
    );
  }
}

/** A tensor to be written. */
export interface WritableTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its weights, or where they come from when their turn is there: then only one tensor is held at a time. */
  readonly data: Float32Array | (() => Promise<Float32Array>);
}

/** Number of weights. */
export function weightCount({ shape }: WritableTensor): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Weights that are encoded and written at once. */
const CHUNK_WEIGHTS = 2 ** 20;

/**
 * Writes a safetensors file as `save_file` of the Python package would: header padded to 8 bytes, tensors one after the other,
 * metadata `{"format": "pt"}`. The file appears under its name only when it is complete and synced.
 *
 * @throws VlmR1Error `invalid-argument` when a tensor's data does not fit its shape or a name occurs twice.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly WritableTensor[],
  dtype: WeightDtype,
): Promise<void> {
  const header = encodeHeader(tensors, dtype);
  const partial = `${path}.partial`;
  const handle = await open(partial, "w");
  try {
    await writeFully(handle, header);
    for (const tensor of tensors) await writeTensor(handle, tensor, dtype);
    await handle.sync();
    await handle.close();
    await rename(partial, path);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeTensor(handle: FileHandle, tensor: WritableTensor, dtype: WeightDtype): Promise<void> {
  const { name, shape, data } = tensor;
  const values = typeof data === "function" ? await data() : data;
  if (values.length !== weightCount(tensor)) {
    throw new VlmR1Error(
      "invalid-argument",
      `Tensor "${name}" of shape [${shape.join(", ")}] has ${values.length} values.`,
    );
  }
  for (let start = 0; start < values.length; start += CHUNK_WEIGHTS) {
    await writeFully(handle, encodeWeights(values.subarray(start, start + CHUNK_WEIGHTS), dtype));
  }
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
}

function encodeHeader(tensors: readonly WritableTensor[], dtype: WeightDtype): Uint8Array {
  const entries: [string, object][] = [["__metadata__", { format: "pt" }]];
  const seen = new Set<string>(["__metadata__"]);
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    if (seen.has(name)) throw new VlmR1Error("invalid-argument", `Two tensors are named "${name}".`);
    seen.add(name);
    const end = offset + weightCount(tensor) * weightBytes(dtype);
    entries.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Object.fromEntries would lose a tensor named "__proto__".
  const json = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
  const text = new TextEncoder().encode(json);
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, 8);
  return bytes;
}
