import { z } from "zod";
import { dimension, parseConfig } from "../../config/parse-config.ts";
import { decoderFields } from "../../config/decoder-fields.ts";
import { tokenId } from "../../config/parse-config.ts";
import { checkTower, nestText, qwenTowerFields, type QwenVlOuter } from "../qwen2-5-vl/config.ts";

const visionFields = z.looseObject({
  ...qwenTowerFields.shape,
  embed_dim: dimension.default(1280),
  /** Width of the decoder, in spite of its name. */
  hidden_size: dimension,
  mlp_ratio: z.number().positive().finite().max(64).default(4),
  hidden_act: z.string().default("quick_gelu"),
});

/** `config.json` of a Qwen2-VL checkpoint. */
export interface Qwen2VlConfig extends QwenVlOuter {
  readonly vision_config: z.output<typeof visionFields>;
}

const fields = z.looseObject({
  model_type: z.literal("qwen2_vl"),
  image_token_id: tokenId.default(151655),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: decoderFields,
  vision_config: visionFields,
});

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
export function parseQwen2VlConfig(json: unknown): Qwen2VlConfig {
  const config = parseConfig(fields, nestText(json), "config.json");
  const { text_config: text, vision_config: vision } = config;
  checkTower([
    [vision.embed_dim % (4 * vision.num_heads) !== 0, "vision embed_dim is not a multiple of 4 num_heads"],
    [
      vision.hidden_size !== text.hidden_size,
      "vision hidden_size differs from the hidden_size of the text model",
    ],
  ]);
  return config;
}
