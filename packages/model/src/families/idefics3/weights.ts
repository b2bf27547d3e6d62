import { decoderTensors, layerNormTensors, linearTensors } from "../../config/decoder-tensors.ts";
import type { Rename, TensorSpec } from "../../family.ts";
import { type Idefics3Config, patchSide } from "./config.ts";
import { idefics3Decoder } from "./language.ts";

/** Idefics3 and SmolVLM have kept their names. */
export const idefics3Renames: readonly Rename[] = [];

/** Every parameter of an Idefics3 or SmolVLM checkpoint. */
export function idefics3Tensors(config: Idefics3Config): TensorSpec[] {
  const vision = config.vision_config;
  const { hidden_size: width, intermediate_size: inner, patch_size: patch } = vision;
  const root = "model.vision_model";
  const layer = (at: string): TensorSpec[] => [
    ...layerNormTensors(`${at}.layer_norm1`, width),
    ...layerNormTensors(`${at}.layer_norm2`, width),
    ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((name) =>
      linearTensors(`${at}.self_attn.${name}`, width, width),
    ),
    ...linearTensors(`${at}.mlp.fc1`, inner, width),
    ...linearTensors(`${at}.mlp.fc2`, width, inner),
  ];
  const decoder = idefics3Decoder(config);
  return [
    { name: `${root}.embeddings.patch_embedding.weight`, shape: [width, vision.num_channels, patch, patch] },
    { name: `${root}.embeddings.patch_embedding.bias`, shape: [width] },
    { name: `${root}.embeddings.position_embedding.weight`, shape: [patchSide(config) ** 2, width] },
    ...Array.from({ length: vision.num_hidden_layers }, (_, i) =>
      layer(`${root}.encoder.layers.${i}`),
    ).flat(),
    ...layerNormTensors(`${root}.post_layernorm`, width),
    {
      name: "model.connector.modality_projection.proj.weight",
      shape: [decoder.hiddenSize, width * config.scale_factor ** 2],
    },
    ...decoderTensors(decoder),
  ];
}
