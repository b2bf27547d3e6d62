import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { decoderFields } from "../../config/decoder-fields.ts";
import { dimension, layerCount, parseConfig, positive, tokenId } from "../../config/parse-config.ts";

const visionConfig = z.looseObject({
  depth: layerCount,
  hidden_size: dimension,
  intermediate_size: dimension,
  num_heads: dimension,
  in_channels: dimension.default(3),
  patch_size: dimension.default(16),
  spatial_merge_size: dimension.default(2),
  temporal_patch_size: dimension.default(2),
  out_hidden_size: dimension,
  num_position_embeddings: dimension,
  deepstack_visual_indexes: z.array(z.int().min(0)).default([]),
  hidden_act: z.string().default("gelu_pytorch_tanh"),
  rope_parameters: z.looseObject({ rope_theta: positive.nullish() }).nullish(),
});

const schema = z.looseObject({
  model_type: z.literal("qwen3_vl"),
  text_config: decoderFields,
  vision_config: visionConfig,
  image_token_id: tokenId,
  tie_word_embeddings: z.boolean().nullish(),
});

/** `config.json` of a Qwen3-VL checkpoint; fields that the computation does not need are not read. */
export type Qwen3VlConfig = z.infer<typeof schema>;

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
export function parseQwen3VlConfig(json: unknown): Qwen3VlConfig {
  const config = parseConfig(schema, json, "config.json");
  const { text_config: text, vision_config: vision } = config;
  const { deepstack_visual_indexes: deepstack, num_position_embeddings: cells } = vision;
  const problems: readonly (readonly [boolean, string])[] = [
    [
      vision.hidden_size % (4 * vision.num_heads) !== 0,
      "vision hidden_size is not a multiple of 4 num_heads",
    ],
    [vision.out_hidden_size !== text.hidden_size, "out_hidden_size differs from the text hidden_size"],
    [!Number.isInteger(Math.sqrt(cells)), `num_position_embeddings ${cells} is not a square`],
    [deepstack.some((layer) => layer >= vision.depth), "deepstack_visual_indexes reach beyond depth"],
    [
      deepstack.length > text.num_hidden_layers,
      "there are more deepstack_visual_indexes than decoder layers",
    ],
  ];
  const found = problems.find(([wrong]) => wrong);
  if (found)
    throw new VlmR1Error(
      "invalid-data",
      `config.json: ${found[1]}. Compare it with the original checkpoint's file.`,
    );
  return config;
}
