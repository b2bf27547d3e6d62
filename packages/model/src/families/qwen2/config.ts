import { z } from "zod";
import { decoderConfig, decoderFields, type DecoderTraits } from "../../config/decoder-fields.ts";
import { parseConfig } from "../../config/parse-config.ts";
import type { DecoderConfig } from "../../family.ts";

const fields = z.looseObject({ ...decoderFields.shape, model_type: z.literal("qwen2") });

/**
 * A Qwen2 decoder under the canonical name `prefix`: Llama with biases on queries, keys and values. `multimodal` gives
 * it the positions of the vision-language models.
 */
export function qwen2Decoder(
  config: z.output<typeof decoderFields>,
  prefix: string,
  tiedHead: boolean,
  multimodal?: DecoderTraits["multimodal"],
): DecoderConfig {
  return decoderConfig(config, {
    ...(multimodal ? { multimodal } : {}),
    prefix,
    attentionBias: true,
    queryKeyNorm: false,
    defaultTheta: 10_000,
    defaultContext: 32_768,
    tiedHead,
  });
}

/**
 * Reads the parsed `config.json` of a text-only Qwen2 or Qwen2.5.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
export function parseQwen2Config(json: unknown): DecoderConfig {
  const config = parseConfig(fields, json, "config.json");
  return qwen2Decoder(config, "model", config.tie_word_embeddings ?? false);
}
