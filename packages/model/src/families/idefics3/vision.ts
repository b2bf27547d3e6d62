import * as tf from "@tensorflow/tfjs";
import type { HostTensor, ProcessedImage, VisionFeatures, VisionPlan, VisionTower } from "../../family.ts";
import { activationByName } from "../../layers/activation.ts";
import { linear } from "../../layers/linear.ts";
import { layerNorm } from "../../layers/norm.ts";
import { child, parameter, rootScope, type Scope } from "../../layers/scope.ts";
import { visionAttention } from "../../layers/vision-attention.ts";
import { patchCoordinates } from "../../positions/patch-grid.ts";
import { tilePatchRows, tileStarts } from "../../processor/tile-pixels.ts";
import { type Idefics3Config, patchSide, tileTokens } from "./config.ts";

type Inputs = Readonly<Record<string, tf.Tensor>>;
type VisionConfig = Idefics3Config["vision_config"];

/**
 * The SigLIP tower of Idefics3 and SmolVLM (https://arxiv.org/abs/2408.12637, https://arxiv.org/abs/2504.05299): every
 * tile is encoded by itself, then squares of patches are joined (pixel shuffle) and projected to the width of the
 * decoder.
 */
export function idefics3VisionTower(config: Idefics3Config): VisionTower {
  return {
    prefixes: ["model.vision_model", "model.connector"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planTiles(config, images),
    forward: (tensors, inputs, adapters) => encodeTiles(config, rootScope(tensors, adapters), inputs),
  };
}

/**
 * Cuts all tiles into patch rows. The patches of a square that the connector joins follow each other, so that its
 * pixel shuffle is a reshape; attention does not mind the order, and each patch takes its own row of the position
 * table.
 */
function planTiles(config: Idefics3Config, images: readonly ProcessedImage[]): VisionPlan {
  const { image_size: tile, patch_size: patch } = config.vision_config;
  const side = patchSide(config);
  const patches = patchCoordinates([1, side, side], config.scale_factor);
  const pixels = tilePatchRows(images, tile, patch, patches);
  const { starts, rows } = tileStarts(images, tileTokens(config));
  const count = side * side;
  const width = 3 * patch * patch;
  const places = patches.rows.map((row, at) => row * side + patches.columns[at]!);
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [pixels.length / (count * width), count, width] },
    places: { data: places, shape: [count] },
  };
  return { inputs, starts, rows };
}

/** `pixels` `[tiles, N, width]` to features `[tiles N / scale^2, D]`. */
function encodeTiles(config: Idefics3Config, root: Scope, inputs: Inputs): VisionFeatures {
  const vision = config.vision_config;
  const scope = child(root, "model.vision_model");
  const { pixels, places } = inputs as Record<"pixels" | "places", tf.Tensor>;
  const tiles = pixels.shape[0] as number;
  let x = embedPatches(child(scope, "embeddings"), pixels, places as tf.Tensor1D); // [tiles N, D]
  for (let i = 0; i < vision.num_hidden_layers; i++) {
    x = layer(child(scope, `encoder.layers.${i}`), vision, x, tiles);
  }
  const normal = layerNorm(child(scope, "post_layernorm"), x, vision.layer_norm_eps);
  const joined = tf.reshape(normal, [-1, vision.hidden_size * config.scale_factor ** 2]); // [tiles N / scale^2, scale^2 D]
  const projection = child(root, "model.connector.modality_projection.proj");
  return { features: linear(projection, joined) as tf.Tensor2D, deepstack: [] };
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

function layer(scope: Scope, vision: VisionConfig, x: tf.Tensor, tiles: number): tf.Tensor {
  const normal = layerNorm(child(scope, "layer_norm1"), x, vision.layer_norm_eps);
  const project = (name: string): tf.Tensor => linear(child(scope, `self_attn.${name}`), normal);
  const attention = { heads: vision.num_attention_heads, images: tiles };
  const mixed = visionAttention(project("q_proj"), project("k_proj"), project("v_proj"), attention);
  const middle = tf.add(x, linear(child(scope, "self_attn.out_proj"), mixed));
  const ready = layerNorm(child(scope, "layer_norm2"), middle, vision.layer_norm_eps);
  const inner = activationByName(vision.hidden_act)(linear(child(scope, "mlp.fc1"), ready));
  return tf.add(middle, linear(child(scope, "mlp.fc2"), inner));
}
