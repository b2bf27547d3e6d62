import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { decoderFields } from "../../config/decoder-fields.ts";
import { dimension, layerCount, parseConfig, positive, tokenId } from "../../config/parse-config.ts";

/** A side, or a height and a width that must be equal. */
const side = dimension
  .or(z.array(dimension).length(2))
  .transform((value) => (Array.isArray(value) ? value : [value, value]));

const visionFields = z.looseObject({
  hidden_size: dimension.default(1024),
  intermediate_size: dimension.default(4096),
  num_hidden_layers: layerCount.default(24),
  num_attention_heads: dimension.default(16),
  num_channels: z.literal(3).default(3),
  image_size: side.default([448, 448]),
  patch_size: side.default([14, 14]),
  hidden_act: z.string().default("gelu"),
  layer_norm_eps: positive.default(1e-6),
  attention_bias: z.boolean().default(false),
  norm_type: z
    .literal("layer_norm", "the tower of the 6B vision model is not supported")
    .default("layer_norm"),
  use_qk_norm: z.literal(false, "the tower of the 6B vision model is not supported").default(false),
  use_absolute_position_embeddings: z.literal(true).default(true),
  use_mean_pooling: z.literal(true).default(true),
});

const fields = z.looseObject({
  model_type: z.literal("internvl"),
  image_token_id: tokenId.default(151667),
  downsample_ratio: positive.default(0.5),
  projector_hidden_act: z.string().default("gelu"),
  vision_feature_layer: z.literal(-1).default(-1),
  vision_feature_select_strategy: z.literal("default").default("default"),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: z.looseObject({
    ...decoderFields.shape,
    model_type: z.enum(["qwen2", "qwen3"]).default("qwen2"),
  }),
  vision_config: visionFields,
});

/** `config.json` of an InternVL checkpoint in the form of transformers (`…-hf`). */
export type InternVlConfig = z.output<typeof fields>;

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
export function parseInternVlConfig(json: unknown): InternVlConfig {
  const config = parseConfig(fields, json, "config.json");
  const { vision_config: vision } = config;
  const problems: readonly (readonly [boolean, string])[] = [
    [
      vision.hidden_size % vision.num_attention_heads !== 0,
      "vision hidden_size is not a multiple of num_attention_heads",
    ],
    [vision.image_size[0] !== vision.image_size[1], "image_size is not a square"],
    [vision.patch_size[0] !== vision.patch_size[1], "patch_size is not a square"],
    [tileSize(config) % patchSize(config) !== 0, "image_size is not a multiple of patch_size"],
    [
      !Number.isInteger(shuffleFactor(config)),
      `downsample_ratio ${config.downsample_ratio} is not one over a whole number`,
    ],
    [
      patchSide(config) % shuffleFactor(config) !== 0,
      "the patches of a tile cannot be joined by downsample_ratio",
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

/** Side of a tile in pixels. */
export function tileSize({ vision_config: vision }: InternVlConfig): number {
  return vision.image_size[0]!;
}

/** Side of a patch in pixels. */
export function patchSize({ vision_config: vision }: InternVlConfig): number {
  return vision.patch_size[0]!;
}

/** Patches along one side of a tile. */
export function patchSide(config: InternVlConfig): number {
  return tileSize(config) / patchSize(config);
}

/** Side, in patches, of the square that becomes one token. */
export function shuffleFactor(config: InternVlConfig): number {
  return 1 / config.downsample_ratio;
}

/** Features of one tile. */
export function tileTokens(config: InternVlConfig): number {
  return (patchSide(config) / shuffleFactor(config)) ** 2;
}
