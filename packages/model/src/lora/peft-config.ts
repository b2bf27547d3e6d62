import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { parseConfig } from "../config/parse-config.ts";
import type { LoraConfig } from "./lora-config.ts";

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

/**
 * Settings that would change the computation in ways that this package does not know, and the values that leave it
 * alone.
 */
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
export type PeftConfig = Omit<LoraConfig, "targets"> & {
  readonly targets: LoraConfig["targets"] | undefined;
};

/**
 * Reads a parsed `adapter_config.json` of PEFT (https://github.com/huggingface/peft).
 *
 * @throws VlmR1Error `invalid-data` for a field of the wrong kind, `unsupported` for DoRA, trained biases and the like.
 */
export function parsePeftConfig(json: unknown): PeftConfig {
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
export function peftConfigDocument(
  config: LoraConfig,
  baseModel: string | undefined,
): Record<string, unknown> {
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
