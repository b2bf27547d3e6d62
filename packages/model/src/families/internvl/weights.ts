import { decoderTensors, layerNormTensors, linearTensors } from "../../config/decoder-tensors.ts";
import type { Rename, TensorSpec } from "../../family.ts";
import { type InternVlConfig, patchSide, patchSize, shuffleFactor } from "./config.ts";
import { internVlDecoder } from "./language.ts";

/** The names of the first releases in the form of transformers. */
export const internVlRenames: readonly Rename[] = [
  { from: "language_model.model.", to: "model.language_model." },
  { from: "language_model.lm_head.", to: "lm_head." },
  { from: "vision_tower.", to: "model.vision_tower." },
  { from: "multi_modal_projector.", to: "model.multi_modal_projector." },
];

/** Every parameter of an InternVL checkpoint. */
export function internVlTensors(config: InternVlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const { hidden_size: width, intermediate_size: inner } = vision;
  const patch = patchSize(config);
  const root = "model.vision_tower";
  const projector = "model.multi_modal_projector";
  const joined = width * shuffleFactor(config) ** 2;
  const decoder = internVlDecoder(config);
  const projection = (name: string): TensorSpec[] =>
    linearTensors(name, width, width).slice(0, vision.attention_bias ? 2 : 1);
  const layer = (at: string): TensorSpec[] => [
    { name: `${at}.lambda_1`, shape: [width] },
    { name: `${at}.lambda_2`, shape: [width] },
    ...["q_proj", "k_proj", "v_proj"].flatMap((name) => projection(`${at}.attention.${name}`)),
    ...linearTensors(`${at}.attention.projection_layer`, width, width),
    ...linearTensors(`${at}.mlp.fc1`, inner, width),
    ...linearTensors(`${at}.mlp.fc2`, width, inner),
    ...layerNormTensors(`${at}.layernorm_before`, width),
    ...layerNormTensors(`${at}.layernorm_after`, width),
  ];
  return [
    { name: `${root}.embeddings.cls_token`, shape: [1, 1, width] },
    { name: `${root}.embeddings.position_embeddings`, shape: [1, 1 + patchSide(config) ** 2, width] },
    { name: `${root}.embeddings.patch_embeddings.projection.weight`, shape: [width, 3, patch, patch] },
    { name: `${root}.embeddings.patch_embeddings.projection.bias`, shape: [width] },
    ...Array.from({ length: vision.num_hidden_layers }, (_, i) => layer(`${root}.encoder.layer.${i}`)).flat(),
    ...layerNormTensors(`${projector}.layer_norm`, joined),
    ...linearTensors(`${projector}.linear_1`, decoder.hiddenSize, joined),
    ...linearTensors(`${projector}.linear_2`, decoder.hiddenSize, decoder.hiddenSize),
    ...decoderTensors(decoder),
  ];
}
