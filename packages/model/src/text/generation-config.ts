import { z } from "zod";
import { parseConfig } from "../config/parse-config.ts";

/** How a checkpoint's makers sample from it, and where it stops. */
export interface GenerationConfig {
  /** Tokens that end an answer; may be empty. */
  readonly stopTokenIds: readonly number[];
  /** Token that fills the rest of a batch. */
  readonly padTokenId: number;
  /** 0 when the makers decode greedily. */
  readonly temperature: number;
  /** 0: no limit. */
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly maxNewTokens?: number;
}

const id = z.int().min(0);
const ids = id.or(z.array(id)).nullish();

const fields = z.looseObject({
  eos_token_id: ids,
  pad_token_id: id.nullish(),
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).nullish(),
  top_k: z.int().nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.int().min(1).nullish(),
});

const modelFields = z.looseObject({
  eos_token_id: ids,
  pad_token_id: id.nullish(),
  text_config: z.looseObject({ eos_token_id: ids, pad_token_id: id.nullish() }).nullish(),
});

/**
 * Reads a parsed `generation_config.json`, which may be missing: `config.json` then names the stop tokens, as the last
 * resort the tokenizer's `eos_token` (`fallbackStop`).
 *
 * @throws VlmR1Error `invalid-data` for a field outside its range.
 */
export function readGenerationConfig(
  generation: unknown,
  config: unknown,
  fallbackStop: number | undefined,
): GenerationConfig {
  const given = parseConfig(fields, generation ?? {}, "generation_config.json");
  const model = parseConfig(modelFields, config, "config.json");
  const stop =
    given.eos_token_id ?? model.eos_token_id ?? model.text_config?.eos_token_id ?? fallbackStop ?? [];
  const stopTokenIds = Array.isArray(stop) ? stop : [stop];
  const pad =
    given.pad_token_id ?? model.pad_token_id ?? model.text_config?.pad_token_id ?? stopTokenIds[0] ?? 0;
  return {
    stopTokenIds,
    padTokenId: pad,
    temperature: given.do_sample === true ? (given.temperature ?? 1) : 0,
    topK: Math.max(0, given.top_k ?? 0),
    topP: given.top_p ?? 1,
    minP: given.min_p ?? 0,
    repetitionPenalty: given.repetition_penalty ?? 1,
    ...(typeof given.max_new_tokens === "number" ? { maxNewTokens: given.max_new_tokens } : {}),
  };
}
