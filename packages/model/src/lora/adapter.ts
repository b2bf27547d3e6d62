import { type Rng, VlmR1Error } from "@vlmr1/core";
import type { DeviceTensor, Engine } from "@vlmr1/engine";
import type { DecoderConfig } from "../network/decoder.ts";
import { HEAD, type LinearModule, linearModules } from "../network/linear.ts";
import type { AdapterScaling } from "../network/scope.ts";
import { readFloats, sizeOf, type TensorSpec } from "../network/tensors.ts";
import { namesMatching } from "../weights/names.ts";
import { packParameters, type ParameterGroup, type ParameterStore } from "../weights/parameters.ts";

/** A low-rank adapter in numbers; the fields of PEFT's `adapter_config.json` that change the computation. */
export interface LoraConfig {
  /** Width r of the bottleneck; at least 1. */
  readonly rank: number;
  /** Updates are scaled by alpha / r. */
  readonly alpha: number;
  /** Share of the adapter's inputs that is zeroed while training, in the decoder; in [0, 1). */
  readonly dropout: number;
  /**
   * Which linear layers: names (a layer matches when it is called so or ends in `.name`), or one regular expression for the whole
   * name, or `all-linear` (all but the output head).
   */
  readonly targets: readonly string[] | string;
  /** Scales by alpha / sqrt(r) instead. https://arxiv.org/abs/2312.03732 */
  readonly rankStabilized: boolean;
  /** Ranks of layers whose names end in a key (a regular expression), instead of `rank`. */
  readonly rankPattern: Readonly<Record<string, number>>;
  /** The same for alpha. */
  readonly alphaPattern: Readonly<Record<string, number>>;
}

/** What PEFT assumes, with the targets that the LoRA of language models usually has. */
export const DEFAULT_LORA: LoraConfig = {
  rank: 16,
  alpha: 32,
  dropout: 0,
  targets: "all-linear",
  rankStabilized: false,
  rankPattern: {},
  alphaPattern: {},
};

/** One adapted linear layer. */
export interface AdaptedModule extends LinearModule {
  readonly rank: number;
  readonly scaling: number;
}

function targetTest(targets: LoraConfig["targets"], names: readonly string[]): (name: string) => boolean {
  if (targets === "all-linear") return (name) => name !== HEAD;
  if (typeof targets === "string") {
    const chosen = namesMatching(targets, names);
    return (name) => chosen.has(name);
  }
  return (name) => targets.some((target) => name === target || name.endsWith(`.${target}`));
}

/** The value of the first pattern that matches the end of a name. */
export function valuesFor(
  names: readonly string[],
  patterns: Readonly<Record<string, number>>,
): (name: string) => number | undefined {
  const chosen = Object.entries(patterns).map(
    ([key, value]) => [namesMatching(`(?:.*\\.)?(?:${key})`, names), value] as const,
  );
  return (name) => chosen.find(([matched]) => matched.has(name))?.[1];
}

/**
 * The layers that an adapter changes, as PEFT selects them, in the order of the checkpoint.
 *
 * @throws VlmR1Error `invalid-argument` for a rank below 1, a dropout outside [0, 1), or targets that match no linear layer.
 */
export function adaptedModules(specs: readonly TensorSpec[], config: LoraConfig): AdaptedModule[] {
  const { rank, dropout, alpha } = config;
  if (!Number.isInteger(rank) || rank < 1)
    throw new VlmR1Error("invalid-argument", `A LoRA rank must be at least 1, got ${rank}.`);
  if (!(dropout >= 0 && dropout < 1))
    throw new VlmR1Error("invalid-argument", `LoRA dropout must be in 0..1, got ${dropout}.`);
  const layers = linearModules(specs);
  const accept = targetTest(
    config.targets,
    layers.map(({ name }) => name),
  );
  const modules = layers.filter(({ name }) => accept(name));
  if (modules.length === 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `The LoRA targets ${JSON.stringify(config.targets)} match no linear layer. Names look like "${layers[0]?.name ?? ""}".`,
    );
  }
  const names = modules.map(({ name }) => name);
  const [rankOf, alphaOf] = [valuesFor(names, config.rankPattern), valuesFor(names, config.alphaPattern)];
  return modules.map((module) => {
    const [r, a] = [rankOf(module.name) ?? rank, alphaOf(module.name) ?? alpha];
    return { ...module, rank: r, scaling: config.rankStabilized ? a / Math.sqrt(r) : a / r };
  });
}

/** The parameters of an adapter: `lora_A.weight` `[r, in]` and `lora_B.weight` `[out, r]` of each module. */
export function adapterTensors(modules: readonly AdaptedModule[]): TensorSpec[] {
  return modules.flatMap(({ name, inputs, outputs, rank }) => [
    { name: `${name}.lora_A.weight`, shape: [rank, inputs] },
    { name: `${name}.lora_B.weight`, shape: [outputs, rank] },
  ]);
}

/** Low-rank updates of some linear layers, in one buffer. */
export interface Adapter {
  readonly config: LoraConfig;
  readonly modules: readonly AdaptedModule[];
  readonly group: ParameterGroup;
  /** Scaling of each adapted module; what the layers read. */
  readonly scaling: AdapterScaling;
}

/**
 * Allocates an adapter; `fill` writes each `lora_A.weight` and `lora_B.weight`. PEFT (https://github.com/huggingface/peft)
 * computes the same from the same numbers.
 */
export async function createAdapter(
  engine: Engine,
  specs: readonly TensorSpec[],
  config: LoraConfig,
  fill: (spec: TensorSpec, target: Float32Array) => Promise<void> | void,
): Promise<Adapter> {
  const modules = adaptedModules(specs, config);
  const tensors = adapterTensors(modules);
  const data = new Float32Array(tensors.reduce((sum, spec) => sum + sizeOf(spec), 0));
  let offset = 0;
  for (const spec of tensors) {
    await fill(spec, data.subarray(offset, offset + sizeOf(spec)));
    offset += sizeOf(spec);
  }
  return {
    config,
    modules,
    group: packParameters(engine, tensors, data),
    scaling: new Map(modules.map(({ name, scaling }) => [name, scaling])),
  };
}

/** PEFT's start: A uniform in +-1 / sqrt(in), B zero, so that the adapter changes nothing yet. */
export function freshAdapterWeights(rng: Rng): (spec: TensorSpec, target: Float32Array) => void {
  return (spec, target) => {
    if (!spec.name.endsWith(".lora_A.weight")) return;
    const stream = rng.fork(spec.name);
    const bound = (spec.shape[1] as number) ** -0.5;
    for (let i = 0; i < target.length; i++) target[i] = (2 * stream.uniform() - 1) * bound;
  };
}

/** A model whose weights can take an adapter in. */
interface MergeableModel {
  readonly architecture: { readonly decoder: DecoderConfig };
  readonly parameters: ParameterStore;
  readonly adapter: Adapter | undefined;
  useAdapter(adapter: Adapter | undefined): Promise<void>;
}

/**
 * Adds the adapter of a model to its weights, `W + scaling B A`, and takes it off: the same completions at the price of the base
 * model. Returns the adapter, for `unmergeAdapter`. Undefined when the model has none.
 *
 * @throws VlmR1Error `unsupported` for an adapter on a head that is tied to the embedding.
 */
export async function mergeAdapter(model: MergeableModel): Promise<Adapter | undefined> {
  const { adapter } = model;
  if (!adapter) return undefined;
  if (model.architecture.decoder.tiedHead && adapter.modules.some(({ name }) => name === HEAD)) {
    throw new VlmR1Error(
      "unsupported",
      "The adapter changes the output head, which is tied to the embedding: merged, it would change the embedding too. Keep the adapter apart, or leave lm_head out of its targets.",
    );
  }
  await addUpdates(model, adapter, 1);
  await model.useAdapter(undefined);
  return adapter;
}

/** Takes a merged adapter out of the weights (up to rounding) and puts it back on. */
export async function unmergeAdapter(model: MergeableModel, adapter: Adapter): Promise<void> {
  await addUpdates(model, adapter, -1);
  await model.useAdapter(adapter);
}

async function addUpdates(model: MergeableModel, adapter: Adapter, sign: 1 | -1): Promise<void> {
  const matrix = (name: string): Promise<Float32Array> =>
    readFloats(adapter.group.views[name] as DeviceTensor);
  for (const module of adapter.modules) {
    const weight = model.parameters.get(`${module.name}.weight`);
    const [a, b] = [
      await matrix(`${module.name}.lora_A.weight`),
      await matrix(`${module.name}.lora_B.weight`),
    ];
    weight.write(withUpdate(await readFloats(weight), a, b, module, sign));
  }
  model.parameters.touch();
}

/** W + sign scaling B A, computed row by row in float64. */
function withUpdate(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  module: AdaptedModule,
  sign: 1 | -1,
): Float32Array {
  const { inputs, outputs, rank, scaling } = module;
  const result = new Float32Array(weight.length);
  const row = new Float64Array(inputs);
  for (let out = 0; out < outputs; out++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = sign * scaling * (b[out * rank + r] as number);
      const from = r * inputs;
      for (let i = 0; i < inputs; i++) row[i] = (row[i] as number) + factor * (a[from + i] as number);
    }
    for (let i = 0; i < inputs; i++)
      result[out * inputs + i] = (weight[out * inputs + i] as number) + (row[i] as number);
  }
  return result;
}
