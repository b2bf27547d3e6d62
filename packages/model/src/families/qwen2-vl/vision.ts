import * as tf from "@tensorflow/tfjs";
import type { HostTensor, ProcessedImage, VisionFeatures, VisionPlan, VisionTower } from "../../family.ts";
import { activationByName } from "../../layers/activation.ts";
import { linear } from "../../layers/linear.ts";
import { layerNorm } from "../../layers/norm.ts";
import { rotaryTables } from "../../layers/rotary.ts";
import { child, rootScope, type Scope } from "../../layers/scope.ts";
import type { VisionAttention } from "../../layers/vision-attention.ts";
import { patchCount } from "../../positions/patch-grid.ts";
import { visionRotaryAngles } from "../../positions/vision-rotary.ts";
import { embedPatches, fusedAttention, mergeCells } from "../qwen2-5-vl/vision.ts";
import type { Qwen2VlConfig } from "./config.ts";
import { HIDDEN } from "../../layers/attention.ts";

type Inputs = Readonly<Record<string, tf.Tensor>>;
type VisionConfig = Qwen2VlConfig["vision_config"];

const LAYER_NORM_EPS = 1e-6;
/**
 * The Qwen2-VL tower: that of Qwen2.5-VL without windows, with LayerNorm and a plain MLP.
 * https://arxiv.org/abs/2409.12191
 */
export function qwen2VisionTower(config: Qwen2VlConfig): VisionTower {
  const vision = config.vision_config;
  return {
    prefixes: ["model.visual"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planImages(vision, images),
    forward: (tensors, inputs, adapters) => encodeImages(vision, rootScope(tensors, adapters), inputs),
  };
}

/** Pads the images of a batch to one number of patches; padded patches are hidden from the others. */
function planImages(vision: VisionConfig, images: readonly ProcessedImage[]): VisionPlan {
  const { spatial_merge_size: merge, patch_size: patch } = vision;
  const headDim = vision.embed_dim / vision.num_heads;
  const width = vision.in_channels * vision.temporal_patch_size * patch * patch;
  const theta = vision.rope_parameters?.rope_theta ?? 10_000;
  const [I, N] = [images.length, Math.max(...images.map((image) => patchCount(image.grid)))];
  const pixels = new Float32Array(I * N * width);
  const angles = new Float32Array((I * N * headDim) / 2);
  const bias = new Float32Array(I * N);
  images.forEach((image, i) => {
    pixels.set(image.pixels, i * N * width);
    angles.set(visionRotaryAngles(image.grid, merge, headDim, theta), (i * N * headDim) / 2);
    bias.fill(HIDDEN, i * N + patchCount(image.grid), (i + 1) * N);
  });
  const rotary = rotaryTables(angles, headDim / 2);
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [I * N, width] },
    cos: { data: rotary.cos, shape: [I, 1, N, headDim] },
    sin: { data: rotary.sin, shape: [I, 1, N, headDim] },
    bias: { data: bias, shape: [I, 1, 1, N] },
  };
  const perImage = N / merge ** 2;
  return { inputs, starts: images.map((_, i) => i * perImage), rows: I * perImage };
}

/** `pixels` `[I N, width]` to features `[I N / merge^2, D]`. */
function encodeImages(vision: VisionConfig, root: Scope, inputs: Inputs): VisionFeatures {
  const scope = child(root, "model.visual");
  const { pixels, cos, sin, bias } = inputs as Record<"pixels" | "cos" | "sin" | "bias", tf.Tensor>;
  const attention = { heads: vision.num_heads, images: bias.shape[0] as number, bias, rotary: { cos, sin } };
  let x = embedPatches(scope, pixels); // [I N, D]
  for (let i = 0; i < vision.depth; i++) x = block(child(scope, `blocks.${i}`), vision, x, attention);
  const normal = layerNorm(child(scope, "merger.ln_q"), x, LAYER_NORM_EPS);
  const merged = mergeCells(child(scope, "merger"), normal, vision.spatial_merge_size);
  return { features: merged as tf.Tensor2D, deepstack: [] };
}

function block(scope: Scope, vision: VisionConfig, x: tf.Tensor, attention: VisionAttention): tf.Tensor {
  const normal = layerNorm(child(scope, "norm1"), x, LAYER_NORM_EPS);
  const middle = tf.add(x, fusedAttention(child(scope, "attn"), normal, attention));
  const ready = layerNorm(child(scope, "norm2"), middle, LAYER_NORM_EPS);
  const inner = activationByName(vision.hidden_act)(linear(child(scope, "mlp.fc1"), ready));
  return tf.add(middle, linear(child(scope, "mlp.fc2"), inner));
}
