import * as tf from "@tensorflow/tfjs";
import type { ProcessedImage, VisionFeatures, VisionPlan, VisionTower } from "../../family.ts";
import { activationByName, gelu } from "../../layers/activation.ts";
import { linear } from "../../layers/linear.ts";
import { rmsNorm } from "../../layers/norm.ts";
import { child, parameter, rootScope, type Scope } from "../../layers/scope.ts";
import { visionAttention, type VisionAttention } from "../../layers/vision-attention.ts";
import type { Qwen25VlConfig } from "./config.ts";
import { windowPlan } from "./window-plan.ts";

type Inputs = Readonly<Record<string, tf.Tensor>>;
type VisionConfig = Qwen25VlConfig["vision_config"];

const RMS_NORM_EPS = 1e-6;

/**
 * The Qwen2.5-VL tower: patches, blocks with 2-D rotary positions that attend inside windows or, a few, inside the
 * whole image, and a merger. https://arxiv.org/abs/2502.13923, section 2.1.
 */
export function qwen25VisionTower(config: Qwen25VlConfig): VisionTower {
  const vision = config.vision_config;
  return {
    prefixes: ["model.visual"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planImages(vision, images),
    forward: (tensors, inputs, adapters) => encodeImages(vision, rootScope(tensors, adapters), inputs),
  };
}

function planImages(vision: VisionConfig, images: readonly ProcessedImage[]): VisionPlan {
  const { inputs, cells } = windowPlan(vision, images);
  return { inputs, starts: images.map((_, i) => i * cells), rows: images.length * cells };
}

/** `pixels` `[I W n, width]`, window by window, to features `[I cells, D]` in row-major order. */
function encodeImages(vision: VisionConfig, root: Scope, inputs: Inputs): VisionFeatures {
  const scope = child(root, "model.visual");
  const { pixels, cos, sin, bias, restore } = inputs as Record<
    "pixels" | "cos" | "sin" | "bias" | "restore",
    tf.Tensor
  >;
  const [I, W, , n] = bias.shape as [number, number, number, number];
  const whole = (table: tf.Tensor) => tf.reshape(table, [I, 1, W * n, table.shape[3] as number]);
  const heads = vision.num_heads;
  const windowed: VisionAttention = {
    heads,
    images: I * W,
    bias: tf.reshape(bias, [I * W, 1, 1, n]),
    rotary: { cos, sin },
  };
  const full: VisionAttention = {
    heads,
    images: I,
    bias: tf.reshape(bias, [I, 1, 1, W * n]),
    rotary: { cos: whole(cos), sin: whole(sin) },
  };
  let x = embedPatches(scope, pixels); // [I W n, D]
  for (let i = 0; i < vision.depth; i++) {
    x = block(
      child(scope, `blocks.${i}`),
      vision,
      x,
      vision.fullatt_block_indexes.includes(i) ? full : windowed,
    );
  }
  const normal = rmsNorm(child(scope, "merger.ln_q"), x, RMS_NORM_EPS);
  const merged = mergeCells(child(scope, "merger"), normal, vision.spatial_merge_size); // [I W n / merge^2, D]
  return { features: tf.gather(merged, restore as tf.Tensor1D) as tf.Tensor2D, deepstack: [] };
}

/** A convolution whose stride is its size, as a matrix product; `[rows, width]` to `[rows, D]`. */
export function embedPatches(scope: Scope, pixels: tf.Tensor): tf.Tensor {
  const weight = parameter(child(scope, "patch_embed.proj"), "weight");
  return tf.matMul(pixels, tf.reshape(weight, [weight.shape[0] as number, -1]), false, true);
}

/** Queries, keys and values of one projection, attention, and the output projection: `[rows, D]` to `[rows, D]`. */
export function fusedAttention(scope: Scope, x: tf.Tensor, attention: VisionAttention): tf.Tensor {
  const [query, keys, values] = tf.split(linear(child(scope, "qkv"), x), 3, -1) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  return linear(child(scope, "proj"), visionAttention(query, keys, values, attention));
}

/**
 * Joins the patches of each cell, `[rows, D]`, and projects them to the width of the decoder: `[rows / merge^2, out]`.
 */
export function mergeCells(scope: Scope, x: tf.Tensor, merge: number): tf.Tensor {
  const cells = tf.reshape(x, [-1, (x.shape[1] as number) * merge * merge]);
  return linear(child(scope, "mlp.2"), gelu(linear(child(scope, "mlp.0"), cells)));
}

function block(scope: Scope, vision: VisionConfig, x: tf.Tensor, attention: VisionAttention): tf.Tensor {
  const normal = rmsNorm(child(scope, "norm1"), x, RMS_NORM_EPS);
  const middle = tf.add(x, fusedAttention(child(scope, "attn"), normal, attention));
  const ready = rmsNorm(child(scope, "norm2"), middle, RMS_NORM_EPS);
  const mlp = child(scope, "mlp");
  const gate = activationByName(vision.hidden_act)(linear(child(mlp, "gate_proj"), ready));
  const inner = tf.mul(gate, linear(child(mlp, "up_proj"), ready));
  return tf.add(middle, linear(child(mlp, "down_proj"), inner));
}
