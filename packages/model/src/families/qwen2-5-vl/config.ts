import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { decoderFields } from "../../config/decoder-fields.ts";
import { dimension, layerCount, parseConfig, positive, tokenId } from "../../config/parse-config.ts";

/** Fields that the towers of Qwen2-VL and Qwen2.5-VL share, with the defaults of their classes. */
export const qwenTowerFields = z.looseObject({
  depth: layerCount.default(32),
  num_heads: dimension.default(16),
  in_channels: z.literal(3).default(3),
  patch_size: dimension.default(14),
  spatial_merge_size: dimension.default(2),
  temporal_patch_size: dimension.default(2),
  rope_parameters: z.looseObject({ rope_theta: positive.nullish() }).nullish(),
});

const visionFields = z.looseObject({
  ...qwenTowerFields.shape,
  hidden_size: dimension,
  intermediate_size: dimension.default(3420),
  hidden_act: z.string().default("silu"),
  out_hidden_size: dimension,
  window_size: dimension.default(112),
  fullatt_block_indexes: z.array(z.int().min(0)).default([7, 15, 23, 31]),
});

/** The outer fields of both families. */
export interface QwenVlOuter {
  readonly image_token_id: number;
  readonly tie_word_embeddings?: boolean | null | undefined;
  readonly text_config: z.output<typeof decoderFields>;
}

/** `config.json` of a Qwen2.5-VL checkpoint; fields that the computation does not need are not read. */
export interface Qwen25VlConfig extends QwenVlOuter {
  readonly vision_config: z.output<typeof visionFields>;
}

const outerFields = z.looseObject({
  image_token_id: tokenId.default(151655),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: decoderFields,
});

const fields = z.looseObject({
  ...outerFields.shape,
  model_type: z.literal("qwen2_5_vl"),
  vision_config: visionFields,
});

/**
 * The released files keep the fields of the text model at the root; files saved by newer versions of transformers nest
 * them. Returns the nested form.
 */
export function nestText(json: unknown): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  const { text_config: text } = json as { text_config?: unknown };
  return text === undefined || text === null ? { ...json, text_config: { ...json } } : json;
}

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
export function parseQwen25VlConfig(json: unknown): Qwen25VlConfig {
  const config = parseConfig(fields, nestText(json), "config.json");
  const { text_config: text, vision_config: vision } = config;
  checkTower([
    [
      vision.hidden_size % (4 * vision.num_heads) !== 0,
      "vision hidden_size is not a multiple of 4 num_heads",
    ],
    [
      vision.out_hidden_size !== text.hidden_size,
      "out_hidden_size differs from the hidden_size of the text model",
    ],
    [windowSide(vision) < 1, "window_size is smaller than one merged patch"],
  ]);
  return config;
}

/** Throws `VlmR1Error` (`invalid-data`) with the first problem that is true. */
export function checkTower(problems: readonly (readonly [wrong: boolean, what: string])[]): void {
  const found = problems.find(([wrong]) => wrong);
  if (found)
    throw new VlmR1Error(
      "invalid-data",
      `config.json: ${found[1]}. Compare it with the original checkpoint's file.`,
    );
}

/** Side of an attention window in merged cells. */
export function windowSide(vision: Qwen25VlConfig["vision_config"]): number {
  return Math.floor(Math.floor(vision.window_size / vision.spatial_merge_size) / vision.patch_size);
}
