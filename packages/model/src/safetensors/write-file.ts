import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { VlmR1Error } from "@vlmr1/core";
import type { WeightDtype } from "./dtype.ts";
import { encodeWeights, weightBytes } from "./float-codec.ts";

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
 * Writes a safetensors file as `save_file` of the Python package would: header padded to 8 bytes, tensors one after
 * the other, metadata `{"format": "pt"}`. The file appears under its name only when it is complete and synced.
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
