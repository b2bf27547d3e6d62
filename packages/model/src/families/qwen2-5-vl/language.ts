import type { DecoderConfig } from "../../family.ts";
import { qwen2Decoder } from "../qwen2/config.ts";
import type { QwenVlOuter } from "./config.ts";

/** The Qwen2 decoder with chunked multimodal positions, of Qwen2-VL and Qwen2.5-VL. */
export function qwenVlDecoder(config: QwenVlOuter): DecoderConfig {
  const text = config.text_config;
  const tiedHead = config.tie_word_embeddings ?? text.tie_word_embeddings ?? false;
  return qwen2Decoder(text, "model.language_model", tiedHead, {
    interleaved: false,
    defaultSections: [16, 24, 24],
  });
}
