import type { FileHandle } from "node:fs/promises";
import { VlmR1Error } from "@vlmr1/core";
import { isWeightDtype } from "./dtype.ts";
import { decodeWeights, weightBytes } from "./float-codec.ts";
import { headerLength, parseHeader, type SafetensorsHeader, type TensorEntry } from "./header.ts";

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
 * Reads one tensor as float32 into `target`, in pieces, so that nothing beyond the target and a few megabytes is
 * allocated.
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
