import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { visionAttention } from "../network/attention.ts";
import { linear, linearTensors } from "../network/linear.ts";
import { activationByName, layerNorm, layerNormTensors } from "../network/norm.ts";
import { child, parameter, type Scope } from "../network/scope.ts";
import type { TensorSpec } from "../network/tensors.ts";
import { dimension, layerCount, positive } from "../weights/documents.ts";

// The SigLIP tower (https://arxiv.org/abs/2303.15343), which Idefics3, SmolVLM and LLaVA-OneVision look through: square tiles of one
// size, each by itself, with learned positions.

/** Its fields, with the defaults of the class of Idefics3. */
export const siglipFields = z.looseObject({
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

type SiglipConfig = z.output<typeof siglipFields>;

/** What contradicts itself in a configuration; see `checkConfig`. */
export function siglipProblems(vision: SiglipConfig): [boolean, string][] {
  return [
    [
      vision.hidden_size % vision.num_attention_heads !== 0,
      "vision hidden_size is not a multiple of num_attention_heads",
    ],
    [vision.patch_size > vision.image_size, "patch_size is larger than image_size"],
  ];
}

/** Patches along one side of a tile; pixels that do not fill a patch are not used. */
export function siglipSide(vision: SiglipConfig): number {
  return Math.floor(vision.image_size / vision.patch_size);
}

/** Every parameter of the tower under `root`. */
export function siglipTensors(root: string, vision: SiglipConfig): TensorSpec[] {
  const { hidden_size: width, intermediate_size: inner, patch_size: patch } = vision;
  const layer = (at: string): TensorSpec[] => [
    ...layerNormTensors(`${at}.layer_norm1`, width),
    ...layerNormTensors(`${at}.layer_norm2`, width),
    ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((name) =>
      linearTensors(`${at}.self_attn.${name}`, width, width),
    ),
    ...linearTensors(`${at}.mlp.fc1`, inner, width),
    ...linearTensors(`${at}.mlp.fc2`, width, inner),
  ];
  return [
    { name: `${root}.embeddings.patch_embedding.weight`, shape: [width, vision.num_channels, patch, patch] },
    { name: `${root}.embeddings.patch_embedding.bias`, shape: [width] },
    { name: `${root}.embeddings.position_embedding.weight`, shape: [siglipSide(vision) ** 2, width] },
    ...Array.from({ length: vision.num_hidden_layers }, (_, i) =>
      layer(`${root}.encoder.layers.${i}`),
    ).flat(),
    ...layerNormTensors(`${root}.post_layernorm`, width),
  ];
}

/**
 * Hidden states of the last layer, before the closing norm, `[tiles N, D]`, from patch rows `[tiles, N, width]`. `places` `[N]` are the
 * rows of the position table: attention does not mind the order of the patches.
 */
export function siglipForward(
  scope: Scope,
  vision: SiglipConfig,
  pixels: tf.Tensor,
  places: tf.Tensor1D,
): tf.Tensor {
  const tiles = pixels.shape[0] as number;
  let x = embedPatches(child(scope, "embeddings"), pixels, places); // [tiles N, D]
  for (let i = 0; i < vision.num_hidden_layers; i++) {
    x = layer(child(scope, `encoder.layers.${i}`), vision, x, tiles);
  }
  return x;
}

/** The closing norm of the tower. */
export function siglipNorm(scope: Scope, vision: SiglipConfig, x: tf.Tensor): tf.Tensor {
  return layerNorm(child(scope, "post_layernorm"), x, vision.layer_norm_eps);
}

/** A convolution whose stride is its size, plus learned positions. */
function embedPatches(scope: Scope, pixels: tf.Tensor, places: tf.Tensor1D): tf.Tensor {
  const [tiles, count, width] = pixels.shape as [number, number, number];
  const kernel = parameter(child(scope, "patch_embedding"), "weight");
  const D = kernel.shape[0] as number;
  const flat = tf.matMul(tf.reshape(pixels, [-1, width]), tf.reshape(kernel, [D, width]), false, true); // [tiles N, D]
  const patches = tf.add(flat, parameter(child(scope, "patch_embedding"), "bias"));
  const table = tf.gather(parameter(child(scope, "position_embedding"), "weight"), places); // [N, D]
  return tf.reshape(tf.add(tf.reshape(patches, [tiles, count, D]), table), [-1, D]);
}

function layer(scope: Scope, vision: SiglipConfig, x: tf.Tensor, tiles: number): tf.Tensor {
  const normal = layerNorm(child(scope, "layer_norm1"), x, vision.layer_norm_eps);
  const project = (name: string): tf.Tensor => linear(child(scope, `self_attn.${name}`), normal);
  const attention = { heads: vision.num_attention_heads, images: tiles };
  const mixed = visionAttention(project("q_proj"), project("k_proj"), project("v_proj"), attention);
  const middle = tf.add(x, linear(child(scope, "self_attn.out_proj"), mixed));
  const ready = layerNorm(child(scope, "layer_norm2"), middle, vision.layer_norm_eps);
  const inner = activationByName(vision.hidden_act)(linear(child(scope, "mlp.fc1"), ready));
  return tf.add(middle, linear(child(scope, "mlp.fc2"), inner));
}
