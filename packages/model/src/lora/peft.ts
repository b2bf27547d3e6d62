import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { linearModules } from "../network/linear.ts";
import type { TensorSpec } from "../network/tensors.ts";
import { openModelFolder, parseConfig } from "../weights/documents.ts";
import type { WeightDtype } from "../weights/dtype.ts";
import { canonicalName, type Rename, sameShape } from "../weights/names.ts";
import {
  readHeader,
  readWeights,
  type SafetensorsFile,
  type WritableTensor,
  writeSafetensors,
} from "../weights/safetensors.ts";
import { adaptedModules, adapterTensors, type LoraConfig } from "./adapter.ts";

/** An open adapter folder whose tensors fit the base model. */
export interface AdapterReader {
  /** Settings; `targets` select exactly the modules that the file has. */
  readonly config: LoraConfig;
  /** Base weights that lie in the file too, as PEFT has it for an adapted output head: `lm_head.weight`. */
  readonly copies: readonly TensorSpec[];
  /** Reads `….lora_A.weight`, `….lora_B.weight` or a copy, under the canonical name of its module, into `target`. */
  read(spec: TensorSpec, target: Float32Array): Promise<void>;
  close(): Promise<void>;
}

const CONFIG = "adapter_config.json";

const WEIGHTS = "adapter_model.safetensors";

/** What PEFT puts in front of the names of the model that it wraps. */
const WRAPPER = "base_model.model.";

/** The end of an adapter tensor's name, with or without the name of the adapter. */
const SUFFIX = /\.lora_([AB])(?:\.default)?\.weight$/;

/** The end of the name of a base weight that PEFT saved beside the adapter. */
const BASE = ".base_layer.weight";

/**
 * Opens a PEFT adapter folder (`adapter_config.json`, `adapter_model.safetensors`) for a model with the parameters `specs`. Names
 * of modules may be those of older releases; `renames` are the rules of the model's family.
 *
 * @throws VlmR1Error `not-found` without its files, `invalid-data` when its tensors do not fit the model (they are named),
 * `unsupported` for other kinds of adapters.
 */
export async function openAdapter(
  path: string,
  specs: readonly TensorSpec[],
  renames: readonly Rename[],
): Promise<AdapterReader> {
  const folder = await openModelFolder(path);
  const document = await folder.json(CONFIG);
  if (document === undefined)
    throw new VlmR1Error("not-found", `The adapter folder "${path}" has no ${CONFIG}.`);
  const config = parsePeftConfig(document);
  const handle = await folder.open(WEIGHTS);
  try {
    const file = await readHeader(handle, WEIGHTS);
    const { places, copies } = adapterPlaces(file, renames);
    const resolved = { ...config, targets: resolveTargets(config, specs, places) };
    checkTensors(file, places, adapterTensors(adaptedModules(specs, resolved)));
    const read = (spec: TensorSpec, target: Float32Array): Promise<void> =>
      readWeights(file, places.get(spec.name) ?? copies.get(spec.name)!, target);
    const copied = [...copies].map(([name, stored]) => ({ name, shape: file.tensors.get(stored)!.shape }));
    return { config: resolved, copies: copied, read, close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Writes an adapter folder that PEFT reads; `tensors` have canonical names, as `AdapterReader.read` takes them. */
export async function saveAdapter(
  path: string,
  config: LoraConfig,
  tensors: readonly WritableTensor[],
  { baseModel, dtype = "F32" }: { readonly baseModel?: string; readonly dtype?: WeightDtype } = {},
): Promise<void> {
  await mkdir(path, { recursive: true });
  const named = tensors.map((tensor) => ({ ...tensor, name: `${WRAPPER}${tensor.name}` }));
  await writeSafetensors(join(path, WEIGHTS), named, dtype);
  await writeFile(join(path, CONFIG), `${JSON.stringify(peftConfigDocument(config, baseModel), null, 2)}\n`);
}

/** Canonical names of adapter tensors, and of copies of base weights, to their names in the file. */
function adapterPlaces(
  file: SafetensorsFile,
  renames: readonly Rename[],
): Record<"places" | "copies", Map<string, string>> {
  const places = new Map<string, string>();
  const copies = new Map<string, string>();
  for (const stored of file.tensors.keys()) {
    if (stored.startsWith(WRAPPER) && stored.endsWith(BASE)) {
      const module = canonicalName(stored.slice(WRAPPER.length, -BASE.length), renames);
      copies.set(`${module}.weight`, stored);
      continue;
    }
    const match = SUFFIX.exec(stored);
    if (!match || !stored.startsWith(WRAPPER)) {
      throw new VlmR1Error("unsupported", `${WEIGHTS}: "${stored}" is not a LoRA matrix of a linear layer.`);
    }
    const module = canonicalName(stored.slice(WRAPPER.length, match.index), renames);
    places.set(`${module}.lora_${match[1]}.weight`, stored);
  }
  return { places, copies };
}

/**
 * The targets of the file when they select exactly the modules that have tensors. Otherwise, for targets that were written for
 * the module names of another release, these modules by name.
 */
function resolveTargets(
  config: PeftConfig,
  specs: readonly TensorSpec[],
  places: ReadonlyMap<string, string>,
): LoraConfig["targets"] {
  const stored = new Set([...places.keys()].map((name) => name.replace(SUFFIX, "")));
  const linear = new Set(linearModules(specs).map(({ name }) => name));
  const foreign = [...stored].find((module) => !linear.has(module));
  if (foreign !== undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `${WEIGHTS} adapts "${foreign}", which is not a linear layer of the model. Is it for another base model?`,
    );
  }
  if (config.targets === undefined) return [...stored];
  const selected = selectedModules(specs, { ...config, targets: config.targets });
  const missing = selected.find((module) => !stored.has(module));
  if (missing !== undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `${WEIGHTS} has no tensors for "${missing}", which ${CONFIG} targets.`,
    );
  }
  return selected.length === stored.size ? config.targets : [...stored];
}

function selectedModules(specs: readonly TensorSpec[], config: LoraConfig): string[] {
  try {
    return adaptedModules(specs, config).map(({ name }) => name);
  } catch (error) {
    if (VlmR1Error.is(error, "invalid-argument")) return [];
    throw error;
  }
}

function checkTensors(
  file: SafetensorsFile,
  places: ReadonlyMap<string, string>,
  specs: readonly TensorSpec[],
): void {
  for (const { name, shape } of specs) {
    const stored = places.get(name);
    if (stored === undefined)
      throw new VlmR1Error("invalid-data", `${WEIGHTS} has no tensor "${WRAPPER}${name}".`);
    const found = file.tensors.get(stored)!.shape;
    if (sameShape(found, shape)) continue;
    throw new VlmR1Error(
      "invalid-data",
      `${WEIGHTS}: "${stored}" has the shape [${found.join(", ")}], the model and ${CONFIG} ask for [${shape.join(", ")}].`,
    );
  }
}

const counts = z.record(z.string(), z.number().positive()).nullish();

const fields = z.looseObject({
  peft_type: z.literal("LORA"),
  r: z.int().min(1),
  lora_alpha: z.number().positive().nullish(),
  lora_dropout: z.number().min(0).lt(1).nullish(),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  use_rslora: z.boolean().nullish(),
  rank_pattern: counts,
  alpha_pattern: counts,
});

/** Settings that would change the computation in ways that this package does not know, and the values that leave it alone. */
const UNSUPPORTED: readonly (readonly [field: string, harmless: readonly unknown[]])[] = [
  ["use_dora", [false]],
  ["bias", ["none"]],
  ["fan_in_fan_out", [false]],
  ["lora_bias", [false]],
  ["modules_to_save", []],
  ["layers_to_transform", []],
  ["layer_replication", []],
  ["exclude_modules", []],
  ["trainable_token_indices", []],
  ["target_parameters", []],
  ["use_qalora", [false]],
  ["use_bdlora", [false]],
  ["alora_invocation_tokens", []],
];

/** An adapter's settings as PEFT's file has them; without targets the tensors of the adapter decide. */
type PeftConfig = Omit<LoraConfig, "targets"> & {
  readonly targets: LoraConfig["targets"] | undefined;
};

/**
 * Reads a parsed `adapter_config.json` of PEFT (https://github.com/huggingface/peft).
 *
 * @throws VlmR1Error `invalid-data` for a field of the wrong kind, `unsupported` for DoRA, trained biases and the like.
 */
function parsePeftConfig(json: unknown): PeftConfig {
  const config = parseConfig(fields, json, "adapter_config.json");
  for (const [field, harmless] of UNSUPPORTED) {
    const value = config[field];
    const empty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (empty || harmless.includes(value)) continue;
    throw new VlmR1Error(
      "unsupported",
      `adapter_config.json: ${field} is ${JSON.stringify(value).slice(0, 80)}; only plain LoRA on linear layers is supported.`,
    );
  }
  return {
    rank: config.r,
    alpha: config.lora_alpha ?? 8,
    dropout: config.lora_dropout ?? 0,
    targets: config.target_modules ?? undefined,
    rankStabilized: config.use_rslora ?? false,
    rankPattern: config.rank_pattern ?? {},
    alphaPattern: config.alpha_pattern ?? {},
  };
}

/** The document that PEFT reads back with `PeftModel.from_pretrained`. */
function peftConfigDocument(config: LoraConfig, baseModel: string | undefined): Record<string, unknown> {
  return {
    alpha_pattern: config.alphaPattern,
    auto_mapping: null,
    base_model_name_or_path: baseModel ?? null,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: null,
    peft_type: "LORA",
    r: config.rank,
    rank_pattern: config.rankPattern,
    revision: null,
    target_modules: config.targets,
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: config.rankStabilized,
  };
}
