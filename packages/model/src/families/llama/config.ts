import { z } from "zod";
import { decoderConfig, decoderFields } from "../../config/decoder-fields.ts";
import { parseConfig } from "../../config/parse-config.ts";
import type { DecoderConfig } from "../../family.ts";

/** The fields of a Llama configuration, which is also the text part of SmolVLM and Idefics3. */
export const llamaFields = z.looseObject({
  ...decoderFields.shape,
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
});

const fields = z.looseObject({ ...llamaFields.shape, model_type: z.literal("llama") });

/** A Llama decoder under the canonical name `prefix`. */
export function llamaDecoder(
  config: z.output<typeof llamaFields>,
  prefix: string,
  tiedHead: boolean,
): DecoderConfig {
  return decoderConfig(config, {
    prefix,
    attentionBias: config.attention_bias ?? false,
    outputBias: config.attention_bias ?? false,
    mlpBias: config.mlp_bias ?? false,
    queryKeyNorm: false,
    defaultTheta: 10_000,
    defaultContext: 2048,
    tiedHead,
  });
}

/**
 * Reads the parsed `config.json` of a text-only Llama.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
export function parseLlamaConfig(json: unknown): DecoderConfig {
  const config = parseConfig(fields, json, "config.json");
  return llamaDecoder(config, "model", config.tie_word_embeddings ?? false);
}
