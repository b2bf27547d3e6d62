import { decoderConfig } from "../../config/decoder-fields.ts";
import type { DecoderConfig } from "../../family.ts";
import { qwen2Decoder } from "../qwen2/config.ts";
import type { InternVlConfig } from "./config.ts";

/** The decoder of InternVL 2.5 and 3 (Qwen2) or 3.5 (Qwen3), with plain rotary positions. */
export function internVlDecoder(config: InternVlConfig): DecoderConfig {
  const text = config.text_config;
  const prefix = "model.language_model";
  const tiedHead = config.tie_word_embeddings ?? text.tie_word_embeddings ?? false;
  if (text.model_type === "qwen2") return qwen2Decoder(text, prefix, tiedHead);
  const attentionBias = text["attention_bias"] === true;
  return decoderConfig(text, {
    prefix,
    attentionBias,
    outputBias: attentionBias,
    queryKeyNorm: true,
    defaultTheta: 10_000,
    defaultContext: 32_768,
    defaultHeadDim: 128,
    tiedHead,
  });
}
