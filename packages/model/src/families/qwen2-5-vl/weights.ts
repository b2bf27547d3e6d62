import { decoderTensors, linearTensors } from "../../config/decoder-tensors.ts";
import type { Rename, TensorSpec } from "../../family.ts";
import type { Qwen25VlConfig } from "./config.ts";
import { qwenVlDecoder } from "./language.ts";

/**
 * The releases of Qwen2-VL and Qwen2.5-VL predate the present naming; `_checkpoint_conversion_mapping` of transformers.
 */
export const qwenVlRenames: readonly Rename[] = [
  { from: "model.visual.", to: "model.visual." },
  { from: "model.language_model.", to: "model.language_model." },
  { from: "visual.", to: "model.visual." },
  { from: "model.", to: "model.language_model." },
];

/** Every parameter of a Qwen2.5-VL checkpoint. */
export function qwen25VlTensors(config: Qwen25VlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const { hidden_size: width, intermediate_size: inner } = vision;
  const block = (at: string): TensorSpec[] => [
    { name: `${at}.norm1.weight`, shape: [width] },
    { name: `${at}.norm2.weight`, shape: [width] },
    ...linearTensors(`${at}.attn.qkv`, 3 * width, width),
    ...linearTensors(`${at}.attn.proj`, width, width),
    ...linearTensors(`${at}.mlp.gate_proj`, inner, width),
    ...linearTensors(`${at}.mlp.up_proj`, inner, width),
    ...linearTensors(`${at}.mlp.down_proj`, width, inner),
  ];
  return [
    patchEmbedding(vision, width),
    ...Array.from({ length: vision.depth }, (_, i) => block(`model.visual.blocks.${i}`)).flat(),
    { name: "model.visual.merger.ln_q.weight", shape: [width] },
    ...mergerTensors(vision, width, vision.out_hidden_size),
    ...decoderTensors(qwenVlDecoder(config)),
  ];
}

interface PatchShape {
  readonly in_channels: number;
  readonly temporal_patch_size: number;
  readonly patch_size: number;
  readonly spatial_merge_size: number;
}

/** The convolution over patches; it has no bias. */
export function patchEmbedding(vision: PatchShape, width: number): TensorSpec {
  const { in_channels: channels, temporal_patch_size: frames, patch_size: side } = vision;
  return { name: "model.visual.patch_embed.proj.weight", shape: [width, channels, frames, side, side] };
}

/** The two layers of the merger. */
export function mergerTensors(vision: PatchShape, width: number, outputs: number): TensorSpec[] {
  const merged = width * vision.spatial_merge_size ** 2;
  return [
    ...linearTensors("model.visual.merger.mlp.0", merged, merged),
    ...linearTensors("model.visual.merger.mlp.2", outputs, merged),
  ];
}
