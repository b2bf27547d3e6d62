import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { linearModules } from "../network/linear.ts";
import type { TensorSpec } from "../network/tensors.ts";
import { openModelFolder, parseConfig } from "../weights/documents.ts";
import type { WeightDtype } from "../weights/dtype.ts";
import { canonicalName, namesMatching, type Rename, sameShape, storedName } from "../weights/names.ts";
import {
  readHeader,
  readWeights,
  type SafetensorsFile,
  type WritableTensor,
  writeSafetensors,
} from "../weights/safetensors.ts";
import { adaptedModules, adapterTensors, type LoraConfig, valuesFor } from "./adapter.ts";

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
    const modules = storedModules(places);
    const resolved = {
      ...config.numbers,
      targets: resolveTargets(config, specs, modules, renames),
      rankPattern: resolvePattern(config.numbers.rankPattern, modules),
      alphaPattern: resolvePattern(config.numbers.alphaPattern, modules),
    };
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

/** Canonical names of the adapted modules, to the names that PEFT saw when it chose them. */
function storedModules(places: ReadonlyMap<string, string>): Map<string, string> {
  const entries = [...places].map(
    ([name, stored]) => [name.replace(SUFFIX, ""), stored.slice(WRAPPER.length).replace(SUFFIX, "")] as const,
  );
  return new Map(entries);
}

/**
 * The targets of the file when they alone select exactly the modules that have tensors. Otherwise these modules by name: for targets
 * that were written for the module names of another release, or that `exclude_modules` or `layers_to_transform` narrow.
 */
function resolveTargets(
  config: PeftConfig,
  specs: readonly TensorSpec[],
  stored: ReadonlyMap<string, string>,
  renames: readonly Rename[],
): LoraConfig["targets"] {
  const linear = new Set(linearModules(specs).map(({ name }) => name));
  const foreign = [...stored.keys()].find((module) => !linear.has(module));
  if (foreign !== undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `${WEIGHTS} adapts "${foreign}", which is not a linear layer of the model. Is it for another base model?`,
    );
  }
  const surplus = leftOut(config.narrowing, [...stored.values()])
    .values()
    .next().value;
  if (surplus !== undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `${WEIGHTS} has tensors for "${surplus}", which exclude_modules or layers_to_transform of ${CONFIG} leaves out.`,
    );
  }
  if (config.targets === undefined) return [...stored.keys()];
  const selected = selectedModules(specs, { ...config.numbers, targets: config.targets });
  const absent = selected.filter((module) => !stored.has(module));
  const old = absent.map((module) => storedName(module, renames));
  const excused = leftOut(config.narrowing, [...absent, ...old]);
  const missing = absent.find((module, i) => !excused.has(module) && !excused.has(old[i] as string));
  if (missing !== undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `${WEIGHTS} has no tensors for "${missing}", which ${CONFIG} targets.`,
    );
  }
  const isExact = absent.length === 0 && selected.length === stored.size;
  return isExact ? config.targets : [...stored.keys()];
}

/** The modules among `names` that PEFT leaves out although they are targets (`check_target_module_exists`). */
function leftOut({ excluded, layers, layersPattern }: Narrowing, names: readonly string[]): Set<string> {
  const isListed = (name: string) =>
    typeof excluded !== "string" && excluded.some((end) => name === end || name.endsWith(`.${end}`));
  const matched = typeof excluded === "string" ? namesMatching(excluded, names) : new Set<string>();
  if (layers.length === 0) return new Set(names.filter((name) => isListed(name) || matched.has(name)));
  const parents = layersPattern.length === 0 ? [String.raw`[^.]*`] : layersPattern;
  const before = layersPattern.length === 0 ? String.raw`.*?\.` : String.raw`(?:.*?\.)?`;
  const kept = layers.map((layer) => `${before}(?:${parents.join("|")})\\.${layer}\\..*`);
  const inLayers = namesMatching(kept.join("|"), names);
  return new Set(names.filter((name) => isListed(name) || matched.has(name) || !inLayers.has(name)));
}

/** Patterns that were written for the names of the file: as they are where those are the model's own names, else one key a module. */
function resolvePattern(
  pattern: Readonly<Record<string, number>>,
  stored: ReadonlyMap<string, string>,
): Readonly<Record<string, number>> {
  if ([...stored].every(([module, name]) => module === name)) return pattern;
  const value = valuesFor([...stored.values()], pattern);
  return Object.fromEntries(
    [...stored].flatMap(([module, name]) => {
      const found = value(name);
      return found === undefined ? [] : [[module.replaceAll(".", String.raw`\.`), found] as const];
    }),
  );
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
  exclude_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  layers_to_transform: z.union([z.int().min(0), z.array(z.int().min(0))]).nullish(),
  layers_pattern: z.union([z.string(), z.array(z.string())]).nullish(),
});

const plain = "only plain LoRA on linear layers is supported";
const merge = "load it with PEFT, merge it (merge_and_unload), and load the merged model";

/** Settings that change the computation in ways that this package does not know: the values that leave it alone, and why not. */
const UNSUPPORTED: readonly (readonly [field: string, harmless: readonly unknown[], reason: string])[] = [
  [
    "use_dora",
    [false],
    `DoRA rescales every row of the merged weight by a learned magnitude, which is not LoRA's sum: ${merge}`,
  ],
  [
    "bias",
    ["none"],
    `the base model's biases were trained too, and an adapter here holds only low-rank matrices: ${merge}`,
  ],
  [
    "lora_bias",
    [false],
    `the adapter adds a bias of its own, and an adapter here holds only low-rank matrices: ${merge}`,
  ],
  ["modules_to_save", [], `whole layers were trained too and replace the base model's: ${merge}`],
  ["fan_in_fan_out", [false], plain],
  ["layer_replication", [], plain],
  ["trainable_token_indices", [], `rows of the embedding were trained too: ${merge}`],
  ["target_parameters", [], plain],
  ["use_qalora", [false], plain],
  ["use_bdlora", [false], plain],
  ["alora_invocation_tokens", [], plain],
];

/** What takes modules out of those that are targets. */
interface Narrowing {
  /** Ends of names, or one regular expression for the whole name. */
  readonly excluded: readonly string[] | string;
  /** Indices of the only layers that are adapted; empty: all. Used with a list of targets alone, as PEFT does. */
  readonly layers: readonly number[];
  /** What lists of layers are called (a regular expression each); empty: anything. */
  readonly layersPattern: readonly string[];
}

/** An adapter's settings as PEFT's file has them; without targets the tensors of the adapter decide. */
interface PeftConfig {
  readonly numbers: Omit<LoraConfig, "targets">;
  readonly targets: LoraConfig["targets"] | undefined;
  readonly narrowing: Narrowing;
}

/**
 * Reads a parsed `adapter_config.json` of PEFT (https://github.com/huggingface/peft).
 *
 * @throws VlmR1Error `invalid-data` for a field of the wrong kind, `unsupported` for DoRA, trained biases and the like.
 */
function parsePeftConfig(json: unknown): PeftConfig {
  const config = parseConfig(fields, json, "adapter_config.json");
  for (const [field, harmless, reason] of UNSUPPORTED) {
    const value = config[field];
    const empty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (empty || harmless.includes(value)) continue;
    throw new VlmR1Error(
      "unsupported",
      `adapter_config.json: ${field} is ${JSON.stringify(value).slice(0, 80)}; ${reason}.`,
    );
  }
  const targets = config.target_modules ?? undefined;
  const { layers_to_transform: layers, layers_pattern: layersPattern } = config;
  return {
    numbers: {
      rank: config.r,
      alpha: config.lora_alpha ?? 8,
      dropout: config.lora_dropout ?? 0,
      rankStabilized: config.use_rslora ?? false,
      rankPattern: config.rank_pattern ?? {},
      alphaPattern: config.alpha_pattern ?? {},
    },
    targets,
    narrowing: {
      excluded: config.exclude_modules ?? [],
      layers: typeof targets === "string" ? [] : [layers ?? []].flat(),
      layersPattern: [layersPattern ?? []].flat(),
    },
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
