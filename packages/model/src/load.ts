import { VlmR1Error } from "@vlmr1/core";
import { type Engine, narrow, type Precision, widen } from "@vlmr1/engine";
import type { Family } from "./families/family.ts";
import { knownFamilies } from "./families/known-families.ts";
import { interpretFiles, readModelFiles } from "./files.ts";
import { type Adapter, createAdapter } from "./lora/adapter.ts";
import { type AdapterReader, openAdapter } from "./lora/peft.ts";
import { assembleModel, type Model } from "./model.ts";
import type { Architecture } from "./network/architecture.ts";
import { HEAD_WEIGHT, headWeightName } from "./network/head.ts";
import { readFloats, sizeOf, type TensorSpec } from "./network/tensors.ts";
import { saveModel } from "./save.ts";
import { openCheckpoint } from "./weights/checkpoint.ts";
import { type ModelFolder, openModelFolder } from "./weights/documents.ts";
import { roundWeights, type WeightDtype } from "./weights/dtype.ts";
import { matchTensors, sameShape, withStoredHead } from "./weights/names.ts";
import { createParameterStore, type ParameterStore, segmentsOf } from "./weights/parameters.ts";

/** How a checkpoint is loaded. */
export interface LoadOptions {
  readonly engine: Engine;
  /** Folder of a PEFT adapter that is put on. */
  readonly adapter?: string;
  /** Families to choose from; default all that this package knows. Add your own here. */
  readonly families?: readonly Family[];
  /**
   * Whether decoding may keep a second copy of frozen weights, laid out for speed: about twice as fast for short batches. Default
   * true.
   */
  readonly bakeWeights?: boolean;
  /**
   * Rounds the weights to what this type can store, as `dtype` of transformers does; arithmetic stays float32 (for bfloat16
   * arithmetic open the engine with `bfloat16`). `save` then writes this type. Default: the weights as they are stored.
   */
  readonly dtype?: WeightDtype;
  /**
   * How the weights are stored while they are not trained: `int8` and `int4` take a quarter and a seventh of the memory of float32, round the
   * weights of linear layers, and make decoding faster; only adapters can be trained then. `bfloat16` is exact for most checkpoints, and
   * takes half the memory where the device has it. `model.parameters.stored` says what was rounded and by how much. Default `float32`.
   */
  readonly precision?: Precision;
}

/**
 * Opens a checkpoint folder as it is on the Hugging Face Hub. Weights in float32, float16 or bfloat16, in one file or in shards;
 * they are computed with in float32.
 *
 * @throws VlmR1Error `not-found` without folder or file, `invalid-data` for damaged or contradicting files, `unsupported` for a
 * kind of model that no family reads.
 */
export async function loadModel(path: string, options: LoadOptions): Promise<Model> {
  const { engine, families = knownFamilies, bakeWeights = true, dtype, precision } = options;
  const folder = await openModelFolder(path);
  const files = await readModelFiles(folder);
  if (files.config === undefined) {
    throw new VlmR1Error("not-found", `The model folder "${folder.path}" has no config.json.`);
  }
  if (files.tokenizer === undefined) {
    throw new VlmR1Error("not-found", `The model folder "${folder.path}" has no tokenizer.json.`);
  }
  const { family, ...read } = interpretFiles(files, families);
  const { architecture, parameters } = await loadWeights(folder, files.config, {
    engine,
    family,
    dtype,
    precision,
  });
  const adapter =
    options.adapter === undefined
      ? undefined
      : await loadAdapter(options.adapter, { engine, architecture, parameters, family, dtype });
  return assembleModel({
    engine,
    architecture,
    parameters,
    ...read,
    boxFrame: family.boxFrame,
    adapter,
    bakeWeights,
    save: (model, directory, saveOptions) =>
      saveModel(model, files, directory, { ...(dtype && { dtype }), ...saveOptions }),
  });
}

interface AdaptedBase {
  readonly engine: Engine;
  readonly architecture: Architecture;
  readonly parameters: ParameterStore;
  readonly family: Family;
  readonly dtype: WeightDtype | undefined;
}

async function loadAdapter(path: string, base: AdaptedBase): Promise<Adapter> {
  const { engine, architecture, family } = base;
  const reader = await openAdapter(path, architecture.tensors, family.renames);
  try {
    for (const copy of reader.copies) await checkCopy(path, reader, copy, base);
    return await createAdapter(engine, architecture.tensors, reader.config, (spec, target) =>
      reader.read(spec, target),
    );
  } finally {
    await reader.close();
  }
}

/** PEFT saves the base weight of an adapted head, too: nothing to do while it is the model's own. */
async function checkCopy(
  path: string,
  reader: AdapterReader,
  copy: TensorSpec,
  { architecture: { decoder, tensors }, parameters, dtype = "F32" }: AdaptedBase,
): Promise<void> {
  const name = copy.name === HEAD_WEIGHT ? headWeightName(decoder) : copy.name;
  if (tensors.some((spec) => spec.name === name && sameShape(spec.shape, copy.shape))) {
    const copied = new Float32Array(sizeOf(copy));
    await reader.read(copy, copied);
    roundWeights(copied, dtype);
    const own = await readFloats(parameters.get(name));
    const stored = parameters.stored.get(name);
    const seen = stored ? widen(narrow(copied, copy.shape, stored.precision)) : copied;
    if (seen.every((value, i) => value === own[i])) return;
  }
  throw new VlmR1Error(
    "unsupported",
    `The adapter "${path}" brings another "${copy.name}" than the model has. Load it with PEFT, merge it, and load the merged model.`,
  );
}

interface WeightsRequest {
  readonly engine: Engine;
  readonly family: Family;
  readonly dtype: WeightDtype | undefined;
  readonly precision: Precision | undefined;
}

async function loadWeights(
  folder: ModelFolder,
  config: unknown,
  { engine, family, dtype = "F32", precision }: WeightsRequest,
): Promise<{ architecture: Architecture; parameters: ParameterStore }> {
  const declared = family.architecture(config);
  const checkpoint = await openCheckpoint(folder);
  try {
    const architecture = withStoredHead(declared, config, checkpoint.tensors, family.renames);
    const places = matchTensors(architecture.tensors, checkpoint.tensors, family.renames);
    const fill = async (spec: TensorSpec, target: Float32Array): Promise<void> => {
      await checkpoint.read(places.get(spec.name) as string, target);
      roundWeights(target, dtype);
    };
    const parameters = await createParameterStore(engine, segmentsOf(architecture), fill, precision);
    return { architecture, parameters };
  } finally {
    await checkpoint.close();
  }
}
