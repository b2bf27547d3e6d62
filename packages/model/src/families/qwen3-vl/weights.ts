import type { Rename, TensorSpec } from "../../family.ts";
import { decoderTensors } from "../../config/decoder-tensors.ts";
import type { Qwen3VlConfig } from "./config.ts";
import { qwen3Decoder } from "./language.ts";

/** Qwen3-VL was only ever released under the names that transformers uses now. */
export const qwen3VlRenames: readonly Rename[] = [];

const affine = (name: string, ...shape: number[]): TensorSpec[] => [
  { name: `${name}.weight`, shape },
  { name: `${name}.bias`, shape: [shape[0] as number] },
];

/** Every parameter of a Qwen3-VL checkpoint. */
export function qwen3VlTensors(config: Qwen3VlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const [D, F] = [vision.hidden_size, vision.intermediate_size];
  const merged = D * vision.spatial_merge_size ** 2;
  const root = "model.visual";
  const block = (at: string): TensorSpec[] => [
    ...affine(`${at}.norm1`, D),
    ...affine(`${at}.norm2`, D),
    ...affine(`${at}.attn.qkv`, 3 * D, D),
    ...affine(`${at}.attn.proj`, D, D),
    ...affine(`${at}.mlp.linear_fc1`, F, D),
    ...affine(`${at}.mlp.linear_fc2`, D, F),
  ];
  const merger = (at: string, normWidth: number): TensorSpec[] => [
    ...affine(`${at}.norm`, normWidth),
    ...affine(`${at}.linear_fc1`, merged, merged),
    ...affine(`${at}.linear_fc2`, vision.out_hidden_size, merged),
  ];
  const { in_channels: channels, temporal_patch_size: time, patch_size: patch } = vision;
  return [
    ...affine(`${root}.patch_embed.proj`, D, channels, time, patch, patch),
    { name: `${root}.pos_embed.weight`, shape: [vision.num_position_embeddings, D] },
    ...Array.from({ length: vision.depth }, (_, i) => block(`${root}.blocks.${i}`)).flat(),
    ...merger(`${root}.merger`, D),
    ...vision.deepstack_visual_indexes.flatMap((_, i) =>
      merger(`${root}.deepstack_merger_list.${i}`, merged),
    ),
    ...decoderTensors(qwen3Decoder(config)),
  ];
}
