import { VlmR1Error } from "@vlmr1/core";
import type { Architecture, TensorSpec } from "../family.ts";
import { namesMatching } from "./name-pattern.ts";

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
export interface AdaptedModule {
  /** Canonical module name, for example `model.language_model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly rank: number;
  readonly scaling: number;
}

const HEAD = "lm_head";

/** Parameters that are tables, not linear layers. */
const TABLES = ["embed_tokens", "pos_embed", "position_embedding"];

/** A linear layer, adapted or not. */
export type LinearModule = Pick<AdaptedModule, "name" | "inputs" | "outputs">;

/** The linear layers among the parameters of a model. The output head is one of them, tied to the embedding or not. */
export function linearModules(specs: readonly TensorSpec[]): LinearModule[] {
  const modules = specs.flatMap(({ name, shape }): LinearModule[] => {
    const module = name.slice(0, -".weight".length);
    const isTable = TABLES.some((table) => module === table || module.endsWith(`.${table}`));
    if (!name.endsWith(".weight") || shape.length !== 2 || isTable) return [];
    return [{ name: module, outputs: shape[0] as number, inputs: shape[1] as number }];
  });
  const tied = modules.some(({ name }) => name === HEAD)
    ? undefined
    : specs.find(({ name }) => name.endsWith("embed_tokens.weight"));
  if (!tied) return modules;
  const [outputs, inputs] = tied.shape as [number, number];
  return [...modules, { name: HEAD, outputs, inputs }];
}

/** The linear layers of each layer of a decoder, by name. */
export function linearModulesByLayer({ decoder, tensors }: Architecture): LinearModule[][] {
  const all = linearModules(tensors);
  return Array.from({ length: decoder.layers }, (_, i) => {
    const start = `${decoder.prefix}.layers.${i}.`;
    return all.filter(({ name }) => name.startsWith(start)).sort((a, b) => (a.name < b.name ? -1 : 1));
  });
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
function valuesFor(
  names: readonly string[],
  patterns: Readonly<Record<string, number>>,
  otherwise: number,
): (name: string) => number {
  const chosen = Object.entries(patterns).map(
    ([key, value]) => [namesMatching(`(?:.*\\.)?(?:${key})`, names), value] as const,
  );
  return (name) => chosen.find(([matched]) => matched.has(name))?.[1] ?? otherwise;
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
  const [rankOf, alphaOf] = [
    valuesFor(names, config.rankPattern, rank),
    valuesFor(names, config.alphaPattern, alpha),
  ];
  return modules.map((module) => {
    const [r, a] = [rankOf(module.name), alphaOf(module.name)];
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
