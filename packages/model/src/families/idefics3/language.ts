import type { DecoderConfig } from "../../family.ts";
import { llamaDecoder } from "../llama/config.ts";
import type { Idefics3Config } from "./config.ts";

/** The Llama decoder (SmolLM2) of Idefics3 and SmolVLM. */
export function idefics3Decoder(config: Idefics3Config): DecoderConfig {
  const tiedHead = config.tie_word_embeddings ?? config.text_config.tie_word_embeddings ?? false;
  return llamaDecoder(config.text_config, "model.text_model", tiedHead);
}
