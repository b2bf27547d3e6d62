import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { dimension, layerCount, parseConfig, positive, tokenId } from "../../config/parse-config.ts";
import { llamaFields } from "../llama/config.ts";

const visionFields = z.looseObject({
  hidden_size: dimension.default(1152),
  intermediate_size: dimension.default(3072),
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: dimension.default(16),
  num_channels: z.literal(3).default(3),
  image_size: dimension.default(224),
  patch_size: dimension.default(32),
  hidden_act: z.string().default("gelu_pytorch_tanh"),
  layer_norm_eps: positive.default(1e-6),
});

const fields = z.looseObject({
  model_type: z.enum(["idefics3", "smolvlm"]),
  image_token_id: tokenId,
  scale_factor: dimension.default(2),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: z.looseObject({ ...llamaFields.shape, model_type: z.literal("llama").default("llama") }),
  vision_config: visionFields,
});

/**
 * `config.json` of an Idefics3, SmolVLM or SmolVLM2 checkpoint; fields that the computation does not need are not read.
 */
export type Idefics3Config = z.output<typeof fields>;

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
export function parseIdefics3Config(json: unknown): Idefics3Config {
  const config = parseConfig(fields, json, "config.json");
  const { vision_config: vision, scale_factor: scale } = config;
  const problems: readonly (readonly [boolean, string])[] = [
    [
      vision.hidden_size % vision.num_attention_heads !== 0,
      "vision hidden_size is not a multiple of num_attention_heads",
    ],
    [vision.patch_size > vision.image_size, "patch_size is larger than image_size"],
    [
      patchSide(config) % scale !== 0,
      `a tile has ${patchSide(config)} patches a side, not a multiple of scale_factor ${scale}`,
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

/** Patches along one side of a tile; pixels that do not fill a patch are not used. */
export function patchSide({ vision_config: vision }: Idefics3Config): number {
  return Math.floor(vision.image_size / vision.patch_size);
}

/** Features of one tile. */
export function tileTokens(config: Idefics3Config): number {
  return (patchSide(config) / config.scale_factor) ** 2;
}
