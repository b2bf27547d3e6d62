import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { type ModelFolder, parseConfig } from "./documents.ts";
import { type SafetensorsDtype, weightBytes, type WeightDtype } from "./dtype.ts";
import {
  readHeader,
  readWeights,
  type SafetensorsFile,
  weightCount,
  type WritableTensor,
  writeSafetensors,
} from "./safetensors.ts";

/** A stored tensor before it is read. */
export interface StoredTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/** The weights of a model folder, in one file or in shards. Only headers have been read. */
interface CheckpointReader {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Bytes of all tensors as stored. */
  readonly byteLength: number;
  /** Reads one tensor as float32 into `target`; see `readWeights`. */
  read(name: string, target: Float32Array): Promise<void>;
  close(): Promise<void>;
}

const SINGLE = "model.safetensors";

const INDEX = "model.safetensors.index.json";

/** Shards of one checkpoint; the largest releases have fewer than 200. */
const MOST_SHARDS = 1000;

/** Missing shards that an error names. */
const NAMED_SHARDS = 5;

const indexFields = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
 *
 * @throws VlmR1Error `not-found` when there are no weights or a shard is missing, `invalid-data` when a file is not sound, names
 * a file outside the folder, or lacks a tensor that the index promises.
 */
export async function openCheckpoint(folder: ModelFolder): Promise<CheckpointReader> {
  if (await folder.has(SINGLE)) {
    const file = await openFile(folder, SINGLE);
    return reader(new Map([...file.tensors.keys()].map((name) => [name, file])), [file]);
  }
  const index = await folder.json(INDEX);
  if (index !== undefined) return openShards(folder, index);
  throw new VlmR1Error(
    "not-found",
    `The model folder "${folder.path}" has neither ${SINGLE} nor ${INDEX}. Other formats (pytorch_model.bin) can be converted with ` +
      "transformers: save_pretrained(folder).",
  );
}

async function openShards(folder: ModelFolder, index: unknown): Promise<CheckpointReader> {
  const weightMap = new Map(Object.entries(parseConfig(indexFields, index, INDEX).weight_map));
  const names = [...new Set(weightMap.values())];
  if (names.length > MOST_SHARDS) {
    throw new VlmR1Error(
      "limit",
      `${INDEX} lists ${names.length} shards, at most ${MOST_SHARDS} are opened. Save the weights in larger shards.`,
    );
  }
  const missing: string[] = [];
  for (const name of names) if (!(await folder.has(name))) missing.push(name);
  if (missing.length > 0) {
    const more = missing.length > NAMED_SHARDS ? ` and ${missing.length - NAMED_SHARDS} more` : "";
    throw new VlmR1Error(
      "not-found",
      `The model folder "${folder.path}" lacks the shards ${missing.slice(0, NAMED_SHARDS).join(", ")}${more} that ${INDEX} lists.`,
    );
  }
  const files = new Map<string, SafetensorsFile>();
  try {
    for (const name of names) files.set(name, await openFile(folder, name));
    const places = new Map<string, SafetensorsFile>();
    for (const file of files.values()) for (const tensor of file.tensors.keys()) places.set(tensor, file);
    for (const [tensor, name] of weightMap) {
      const file = files.get(name)!;
      if (!file.tensors.has(tensor)) {
        throw new VlmR1Error(
          "invalid-data",
          `${INDEX} places tensor "${tensor}" in ${name}, which does not have it.`,
        );
      }
      places.set(tensor, file);
    }
    return reader(places, [...files.values()]);
  } catch (error) {
    await closeAll([...files.values()]);
    throw error;
  }
}

async function openFile(folder: ModelFolder, name: string): Promise<SafetensorsFile> {
  const handle = await folder.open(name);
  try {
    return await readHeader(handle, name);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function reader(
  places: ReadonlyMap<string, SafetensorsFile>,
  files: readonly SafetensorsFile[],
): CheckpointReader {
  const tensors = new Map<string, StoredTensor>();
  let byteLength = 0;
  for (const [name, file] of places) {
    const entry = file.tensors.get(name)!;
    tensors.set(name, entry);
    byteLength += entry.end - entry.begin;
  }
  const read = async (name: string, target: Float32Array): Promise<void> => {
    const file = places.get(name);
    if (!file) throw new VlmR1Error("invalid-data", `The checkpoint has no tensor "${name}".`);
    await readWeights(file, name, target);
  };
  return { tensors, byteLength, read, close: () => closeAll(files) };
}

async function closeAll(files: readonly SafetensorsFile[]): Promise<void> {
  for (const file of files) await file.handle.close();
}

/** How weights are saved. */
interface SaveWeightsOptions {
  /** Stored type; default F32. */
  readonly dtype?: WeightDtype;
  /** Bytes of tensors in one file at most; default 5e9, as in transformers. */
  readonly maxShardBytes?: number;
}

/**
 * Writes `model.safetensors`, or shards with `model.safetensors.index.json` when the weights exceed `maxShardBytes`. `folder`
 * must exist.
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
