import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import type { WeightDtype } from "./dtype.ts";
import { weightBytes } from "./float-codec.ts";
import { weightCount, type WritableTensor, writeSafetensors } from "./write-file.ts";

/** How weights are saved. */
export interface SaveWeightsOptions {
  /** Stored type; default F32. */
  readonly dtype?: WeightDtype;
  /** Bytes of tensors in one file at most; default 5e9, as in transformers. */
  readonly maxShardBytes?: number;
}

/**
 * Writes `model.safetensors`, or shards with `model.safetensors.index.json` when the weights exceed `maxShardBytes`.
 * `folder` must exist.
 *
 * @throws VlmR1Error `invalid-argument` for a tensor whose data does not fit its shape.
 */
export async function saveWeights(
  folder: string,
  tensors: readonly WritableTensor[],
  { dtype = "F32", maxShardBytes = 5e9 }: SaveWeightsOptions = {},
): Promise<void> {
  if (!(maxShardBytes > 0))
    throw new VlmR1Error("invalid-argument", `maxShardBytes must be positive, got ${maxShardBytes}.`);
  const shards = splitShards(tensors, dtype, maxShardBytes);
  if (shards.length <= 1) return writeSafetensors(join(folder, "model.safetensors"), tensors, dtype);
  const weightMap: [string, string][] = [];
  const count = String(shards.length).padStart(5, "0");
  for (const [index, shard] of shards.entries()) {
    const name = `model-${String(index + 1).padStart(5, "0")}-of-${count}.safetensors`;
    await writeSafetensors(join(folder, name), shard, dtype);
    for (const tensor of shard) weightMap.push([tensor.name, name]);
  }
  const total = tensors.reduce((sum, tensor) => sum + weightCount(tensor) * weightBytes(dtype), 0);
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(weightMap) };
  await writeFile(join(folder, "model.safetensors.index.json"), `${JSON.stringify(index, null, 2)}\n`);
}

/** Fills shards in order; a tensor is never cut. */
function splitShards(
  tensors: readonly WritableTensor[],
  dtype: WeightDtype,
  maxBytes: number,
): WritableTensor[][] {
  const shards: WritableTensor[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = weightCount(tensor) * weightBytes(dtype);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = maxBytes;
    }
    shards.at(-1)!.push(tensor);
    room -= bytes;
  }
  return shards;
}
