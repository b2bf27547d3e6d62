import { decoderConfig } from "../../config/decoder-fields.ts";
import type { DecoderConfig } from "../../family.ts";
import type { Qwen3VlConfig } from "./config.ts";

/** The Qwen3 decoder: normalized queries and keys, no biases, interleaved multimodal positions. */
export function qwen3Decoder(config: Qwen3VlConfig): DecoderConfig {
  return decoderConfig(config.text_config, {
    prefix: "model.language_model",
    attentionBias: config.text_config["attention_bias"] === true,
    outputBias: config.text_config["attention_bias"] === true,
    queryKeyNorm: true,
    multimodal: { interleaved: true, defaultSections: [24, 20, 20] },
    defaultTheta: 5_000_000,
    defaultContext: 128_000,
    defaultHeadDim: 128,
    tiedHead: config.tie_word_embeddings ?? config.text_config.tie_word_embeddings ?? false,
  });
}
