import * as tf from "@tensorflow/tfjs";
import type { HostTensor, ProcessedImage, VisionFeatures, VisionPlan, VisionTower } from "../../family.ts";
import { activationByName } from "../../layers/activation.ts";
import { linear } from "../../layers/linear.ts";
import { layerNorm } from "../../layers/norm.ts";
import { child, parameter, rootScope, type Scope } from "../../layers/scope.ts";
import { visionAttention } from "../../layers/vision-attention.ts";
import { patchCoordinates } from "../../positions/patch-grid.ts";
import { tilePatchRows, tileStarts } from "../../processor/tile-pixels.ts";
import { type InternVlConfig, patchSide, patchSize, shuffleFactor, tileSize, tileTokens } from "./config.ts";

type Inputs = Readonly<Record<string, tf.Tensor>>;
type VisionConfig = InternVlConfig["vision_config"];

/** The projector's norm was made without the epsilon of the configuration. */
const PROJECTOR_EPS = 1e-5;

/**
 * InternViT and the projector of InternVL (https://arxiv.org/abs/2504.10479): every tile by itself, with a class token
 * and scaled residuals; squares of patches are joined (pixel shuffle) and projected to the width of the decoder.
 */
export function internVlVisionTower(config: InternVlConfig): VisionTower {
  return {
    prefixes: ["model.vision_tower", "model.multi_modal_projector"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planTiles(config, images),
    forward: (tensors, inputs, adapters) => encodeTiles(config, rootScope(tensors, adapters), inputs),
  };
}

/** Patch rows of all tiles; the patches of a square that is joined follow each other. Place 0 is the class token's. */
function planTiles(config: InternVlConfig, images: readonly ProcessedImage[]): VisionPlan {
  const side = patchSide(config);
  const patch = patchSize(config);
  const patches = patchCoordinates([1, side, side], shuffleFactor(config));
  const pixels = tilePatchRows(images, tileSize(config), patch, patches);
  const width = 3 * patch * patch;
  const places = Int32Array.from([
    0,
    ...patches.rows.map((row, at) => 1 + row * side + patches.columns[at]!),
  ]);
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [pixels.length / (side * side * width), side * side, width] },
    places: { data: places, shape: [places.length] },
  };
  return { inputs, ...tileStarts(images, tileTokens(config)) };
}

/** `pixels` `[tiles, N, width]` to features `[tiles N / factor^2, D]`. */
function encodeTiles(config: InternVlConfig, root: Scope, inputs: Inputs): VisionFeatures {
  const vision = config.vision_config;
  const scope = child(root, "model.vision_tower");
  const { pixels, places } = inputs as Record<"pixels" | "places", tf.Tensor>;
  const [tiles, count] = pixels.shape as [number, number, number];
  const D = vision.hidden_size;
  let x = embedPatches(child(scope, "embeddings"), pixels, places as tf.Tensor1D); // [tiles (N + 1), D]
  for (let i = 0; i < vision.num_hidden_layers; i++)
    x = layer(child(scope, `encoder.layer.${i}`), vision, x, tiles);
  const patches = tf.slice(tf.reshape(x, [tiles, count + 1, D]), [0, 1, 0], [tiles, count, D]); // without the class token
  const joined = tf.reshape(patches, [-1, D * shuffleFactor(config) ** 2]); // [tiles N / factor^2, factor^2 D]
  const projector = child(root, "model.multi_modal_projector");
  const normal = layerNorm(child(projector, "layer_norm"), joined, PROJECTOR_EPS);
  const inner = activationByName(config.projector_hidden_act)(linear(child(projector, "linear_1"), normal));
  return { features: linear(child(projector, "linear_2"), inner) as tf.Tensor2D, deepstack: [] };
}

/** A convolution whose stride is its size, the class token in front, plus learned positions. */
function embedPatches(scope: Scope, pixels: tf.Tensor, places: tf.Tensor1D): tf.Tensor {
  const [tiles, count, width] = pixels.shape as [number, number, number];
  const projection = child(scope, "patch_embeddings.projection");
  const kernel = parameter(projection, "weight");
  const D = kernel.shape[0] as number;
  const flat = tf.matMul(tf.reshape(pixels, [-1, width]), tf.reshape(kernel, [D, width]), false, true); // [tiles N, D]
  const patches = tf.reshape(tf.add(flat, parameter(projection, "bias")), [tiles, count, D]);
  const first = tf.tile(parameter(scope, "cls_token"), [tiles, 1, 1]); // [tiles, 1, D]
  const table = tf.gather(tf.reshape(parameter(scope, "position_embeddings"), [-1, D]), places); // [N + 1, D]
  return tf.reshape(tf.add(tf.concat([first, patches], 1), table), [-1, D]);
}

function layer(scope: Scope, vision: VisionConfig, x: tf.Tensor, tiles: number): tf.Tensor {
  const normal = layerNorm(child(scope, "layernorm_before"), x, vision.layer_norm_eps);
  const project = (name: string): tf.Tensor => linear(child(scope, `attention.${name}`), normal);
  const attention = { heads: vision.num_attention_heads, images: tiles };
  const mixed = visionAttention(project("q_proj"), project("k_proj"), project("v_proj"), attention);
  const attended = linear(child(scope, "attention.projection_layer"), mixed);
  const middle = tf.add(x, tf.mul(attended, parameter(scope, "lambda_1")));
  const ready = layerNorm(child(scope, "layernorm_after"), middle, vision.layer_norm_eps);
  const inner = activationByName(vision.hidden_act)(linear(child(scope, "mlp.fc1"), ready));
  return tf.add(middle, tf.mul(linear(child(scope, "mlp.fc2"), inner), parameter(scope, "lambda_2")));
}
