import * as tf from "@tensorflow/tfjs";
import type { HostTensor, ProcessedImage, VisionFeatures, VisionPlan, VisionTower } from "../../family.ts";
import { activationByName, gelu, type Activation } from "../../layers/activation.ts";
import { layerNorm } from "../../layers/norm.ts";
import { linear } from "../../layers/linear.ts";
import { rotaryTables } from "../../layers/rotary.ts";
import { child, parameter, rootScope, type Scope } from "../../layers/scope.ts";
import { visionAttention, type VisionAttention } from "../../layers/vision-attention.ts";
import { interpolatedRows } from "../../positions/interpolated-embedding.ts";
import { patchCount } from "../../positions/patch-grid.ts";
import { visionRotaryAngles } from "../../positions/vision-rotary.ts";
import type { Qwen3VlConfig } from "./config.ts";
import { HIDDEN } from "../../layers/attention.ts";

type Inputs = Readonly<Record<string, tf.Tensor>>;
type VisionConfig = Qwen3VlConfig["vision_config"];

const LAYER_NORM_EPS = 1e-6;
/**
 * The Qwen3-VL tower: patches, interpolated positions, blocks with 2-D rotary positions, a merger to the width of the
 * decoder, and deepstack mergers after chosen blocks.
 */
export function qwen3VisionTower(config: Qwen3VlConfig): VisionTower {
  const vision = config.vision_config;
  return {
    prefixes: ["model.visual"],
    deepstackLayers: vision.deepstack_visual_indexes.length,
    imageTokenId: config.image_token_id,
    plan: (images) => planImages(vision, images),
    forward: (tensors, inputs, adapters) => encodeImages(vision, rootScope(tensors, adapters), inputs),
  };
}

/** Pads the images of a batch to one number of patches; padded patches are hidden from the others. */
function planImages(vision: VisionConfig, images: readonly ProcessedImage[]): VisionPlan {
  const { spatial_merge_size: merge, patch_size: patch } = vision;
  const headDim = vision.hidden_size / vision.num_heads;
  const width = vision.in_channels * vision.temporal_patch_size * patch * patch;
  const theta = vision.rope_parameters?.rope_theta ?? 10_000;
  const side = Math.sqrt(vision.num_position_embeddings);
  const [I, N] = [images.length, Math.max(...images.map((image) => patchCount(image.grid)))];
  const pixels = new Float32Array(I * N * width);
  const angles = new Float32Array((I * N * headDim) / 2);
  const corners = new Int32Array(4 * I * N);
  const shares = new Float32Array(4 * I * N);
  const bias = new Float32Array(I * N);
  images.forEach((image, i) => {
    const count = patchCount(image.grid);
    const table = interpolatedRows(image.grid, merge, side);
    pixels.set(image.pixels, i * N * width);
    angles.set(visionRotaryAngles(image.grid, merge, headDim, theta), (i * N * headDim) / 2);
    for (let corner = 0; corner < 4; corner++) {
      const [from, to] = [corner * count, (corner + 1) * count];
      corners.set(table.indices.subarray(from, to), (corner * I + i) * N);
      shares.set(table.weights.subarray(from, to), (corner * I + i) * N);
    }
    bias.fill(HIDDEN, i * N + count, (i + 1) * N);
  });
  const rotary = rotaryTables(angles, headDim / 2);
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [I * N, width] },
    corners: { data: corners, shape: [4 * I * N] },
    shares: { data: shares, shape: [4, I * N, 1] },
    cos: { data: rotary.cos, shape: [I, 1, N, headDim] },
    sin: { data: rotary.sin, shape: [I, 1, N, headDim] },
    bias: { data: bias, shape: [I, 1, 1, N] },
  };
  const perImage = N / merge ** 2;
  return { inputs, starts: images.map((_, i) => i * perImage), rows: I * perImage };
}

/** `pixels` `[I N, width]` to features `[I N / merge^2, D]` and one such set for each deepstack layer. */
function encodeImages(vision: VisionConfig, root: Scope, inputs: Inputs): VisionFeatures {
  const scope = child(root, "model.visual");
  const D = vision.hidden_size;
  const { bias, cos, sin } = inputs as Record<"bias" | "cos" | "sin", tf.Tensor>;
  const attention: VisionAttention = {
    heads: vision.num_heads,
    images: bias.shape[0] as number,
    bias,
    rotary: { cos, sin },
  };
  const act = activationByName(vision.hidden_act);
  const merged = D * vision.spatial_merge_size ** 2;
  let x = tf.add(embedPatches(child(scope, "patch_embed.proj"), inputs, D), tablePositions(scope, inputs, D)); // [I N, D]
  const deepstack: tf.Tensor2D[] = [];
  for (let i = 0; i < vision.depth; i++) {
    x = block(child(scope, `blocks.${i}`), x, attention, act);
    const layer = vision.deepstack_visual_indexes.indexOf(i);
    if (layer < 0) continue;
    const at = child(scope, `deepstack_merger_list.${layer}`);
    const normal = layerNorm(child(at, "norm"), tf.reshape(x, [-1, merged]), LAYER_NORM_EPS); // normalized after grouping
    deepstack[layer] = project(at, normal);
  }
  const merger = child(scope, "merger");
  const normal = layerNorm(child(merger, "norm"), x, LAYER_NORM_EPS); // normalized before grouping
  return { features: project(merger, tf.reshape(normal, [-1, merged])), deepstack };
}

function embedPatches(scope: Scope, { pixels }: Inputs, D: number): tf.Tensor {
  const kernel = tf.reshape(parameter(scope, "weight"), [D, -1]); // a convolution whose stride is its size
  return tf.add(tf.matMul(pixels as tf.Tensor, kernel, false, true), parameter(scope, "bias")); // [I N, D]
}

/** Learned positions, interpolated between the four nearest cells of the table. */
function tablePositions(scope: Scope, { corners, shares }: Inputs, D: number): tf.Tensor {
  const nearest = tf.gather(parameter(scope, "pos_embed.weight"), corners as tf.Tensor1D); // [4 I N, D]
  return tf.sum(tf.mul(tf.reshape(nearest, [4, -1, D]), shares as tf.Tensor), 0); // [I N, D]
}

function block(scope: Scope, x: tf.Tensor, attention: VisionAttention, act: Activation): tf.Tensor {
  const normal = layerNorm(child(scope, "norm1"), x, LAYER_NORM_EPS);
  const qkv = linear(child(scope, "attn.qkv"), normal); // [I N, 3 D]
  const [query, keys, values] = tf.split(qkv, 3, -1) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const mixed = visionAttention(query, keys, values, attention);
  const middle = tf.add(x, linear(child(scope, "attn.proj"), mixed));
  const ready = layerNorm(child(scope, "norm2"), middle, LAYER_NORM_EPS);
  return tf.add(
    middle,
    linear(child(scope, "mlp.linear_fc2"), act(linear(child(scope, "mlp.linear_fc1"), ready))),
  );
}

function project(scope: Scope, x: tf.Tensor): tf.Tensor2D {
  return linear(child(scope, "linear_fc2"), gelu(linear(child(scope, "linear_fc1"), x))) as tf.Tensor2D;
}
