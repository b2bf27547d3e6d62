import { decoderTensors, layerNormTensors, linearTensors } from "../../config/decoder-tensors.ts";
import type { TensorSpec } from "../../family.ts";
import { qwenVlDecoder } from "../qwen2-5-vl/language.ts";
import { mergerTensors, patchEmbedding } from "../qwen2-5-vl/weights.ts";
import type { Qwen2VlConfig } from "./config.ts";

/** Every parameter of a Qwen2-VL checkpoint. */
export function qwen2VlTensors(config: Qwen2VlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const width = vision.embed_dim;
  const inner = Math.trunc(width * vision.mlp_ratio);
  const block = (at: string): TensorSpec[] => [
    ...layerNormTensors(`${at}.norm1`, width),
    ...layerNormTensors(`${at}.norm2`, width),
    ...linearTensors(`${at}.attn.qkv`, 3 * width, width),
    ...linearTensors(`${at}.attn.proj`, width, width),
    ...linearTensors(`${at}.mlp.fc1`, inner, width),
    ...linearTensors(`${at}.mlp.fc2`, width, inner),
  ];
  return [
    patchEmbedding(vision, width),
    ...Array.from({ length: vision.depth }, (_, i) => block(`model.visual.blocks.${i}`)).flat(),
    ...layerNormTensors("model.visual.merger.ln_q", width),
    ...mergerTensors(vision, width, vision.hidden_size),
    ...decoderTensors(qwenVlDecoder(config)),
  ];
}
