import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { patchCoordinates, patchCount, type PatchGrid } from "../images/patches.ts";
import type {
  Architecture,
  ProcessedImage,
  VisionFeatures,
  VisionPlan,
  VisionTower,
} from "../network/architecture.ts";
import { type VisionAttention, visionAttention } from "../network/attention.ts";
import { type DecoderConfig, decoderTensors } from "../network/decoder.ts";
import { linear, linearTensors } from "../network/linear.ts";
import { type Activation, activationByName, gelu, layerNorm, layerNormTensors } from "../network/norm.ts";
import { child, parameter, rootScope, type Scope } from "../network/scope.ts";
import type { HostTensor, TensorSpec } from "../network/tensors.ts";
import { checkConfig, dimension, layerCount, parseConfig, positive, tokenId } from "../weights/documents.ts";
import { decoderFields } from "./decoder-config.ts";
import type { Family } from "./family.ts";
import { imagePositions, planPadded, towerProcessor } from "./qwen-vision.ts";
import { qwen3Decoder } from "./text-decoders.ts";

/** Qwen3-VL (dense sizes), and our own `nano`. Technical report: https://arxiv.org/abs/2511.21631. */
export const qwen3Vl: Family = {
  modelTypes: ["qwen3_vl"],
  boxFrame: "thousand",
  renames: [],
  processor: (config, preprocessor) => towerProcessor(preprocessor, parseQwen3VlConfig(config).vision_config),
  architecture: (json): Architecture => {
    const config = parseQwen3VlConfig(json);
    return {
      modelType: config.model_type,
      decoder: qwen3VlDecoder(config),
      vision: qwen3VisionTower(config),
      tensors: qwen3VlTensors(config),
      positions: imagePositions(config.image_token_id, config.vision_config.spatial_merge_size),
    };
  },
};

const visionConfig = z.looseObject({
  depth: layerCount,
  hidden_size: dimension,
  intermediate_size: dimension,
  num_heads: dimension,
  in_channels: dimension.default(3),
  patch_size: dimension.default(16),
  spatial_merge_size: dimension.default(2),
  temporal_patch_size: dimension.default(2),
  out_hidden_size: dimension,
  num_position_embeddings: dimension,
  deepstack_visual_indexes: z.array(z.int().min(0)).default([]),
  hidden_act: z.string().default("gelu_pytorch_tanh"),
  rope_parameters: z.looseObject({ rope_theta: positive.nullish() }).nullish(),
});

const schema = z.looseObject({
  model_type: z.literal("qwen3_vl"),
  text_config: decoderFields,
  vision_config: visionConfig,
  image_token_id: tokenId,
  tie_word_embeddings: z.boolean().nullish(),
});

/** `config.json` of a Qwen3-VL checkpoint; fields that the computation does not need are not read. */
type Qwen3VlConfig = z.infer<typeof schema>;

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
function parseQwen3VlConfig(json: unknown): Qwen3VlConfig {
  const config = parseConfig(schema, json, "config.json");
  const { text_config: text, vision_config: vision } = config;
  const { deepstack_visual_indexes: deepstack, num_position_embeddings: cells } = vision;
  checkConfig([
    [
      vision.hidden_size % (4 * vision.num_heads) !== 0,
      "vision hidden_size is not a multiple of 4 num_heads",
    ],
    [vision.out_hidden_size !== text.hidden_size, "out_hidden_size differs from the text hidden_size"],
    [!Number.isInteger(Math.sqrt(cells)), `num_position_embeddings ${cells} is not a square`],
    [deepstack.some((layer) => layer >= vision.depth), "deepstack_visual_indexes reach beyond depth"],
    [
      deepstack.length > text.num_hidden_layers,
      "there are more deepstack_visual_indexes than decoder layers",
    ],
  ]);
  return config;
}

/** The Qwen3 decoder with interleaved multimodal positions. */
function qwen3VlDecoder(config: Qwen3VlConfig): DecoderConfig {
  const text = config.text_config;
  const tiedHead = config.tie_word_embeddings ?? text.tie_word_embeddings ?? false;
  return qwen3Decoder(text, "model.language_model", tiedHead, {
    multimodal: { interleaved: true, defaultSections: [24, 20, 20] },
    defaultTheta: 5_000_000,
    defaultContext: 128_000,
  });
}

/** Every parameter of a Qwen3-VL checkpoint. */
function qwen3VlTensors(config: Qwen3VlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const [D, F] = [vision.hidden_size, vision.intermediate_size];
  const merged = D * vision.spatial_merge_size ** 2;
  const root = "model.visual";
  const block = (at: string): TensorSpec[] => [
    ...layerNormTensors(`${at}.norm1`, D),
    ...layerNormTensors(`${at}.norm2`, D),
    ...linearTensors(`${at}.attn.qkv`, 3 * D, D),
    ...linearTensors(`${at}.attn.proj`, D, D),
    ...linearTensors(`${at}.mlp.linear_fc1`, F, D),
    ...linearTensors(`${at}.mlp.linear_fc2`, D, F),
  ];
  const merger = (at: string, normWidth: number): TensorSpec[] => [
    ...layerNormTensors(`${at}.norm`, normWidth),
    ...linearTensors(`${at}.linear_fc1`, merged, merged),
    ...linearTensors(`${at}.linear_fc2`, vision.out_hidden_size, merged),
  ];
  const { in_channels: channels, temporal_patch_size: time, patch_size: patch } = vision;
  return [
    { name: `${root}.patch_embed.proj.weight`, shape: [D, channels, time, patch, patch] },
    { name: `${root}.patch_embed.proj.bias`, shape: [D] },
    { name: `${root}.pos_embed.weight`, shape: [vision.num_position_embeddings, D] },
    ...Array.from({ length: vision.depth }, (_, i) => block(`${root}.blocks.${i}`)).flat(),
    ...merger(`${root}.merger`, D),
    ...vision.deepstack_visual_indexes.flatMap((_, i) =>
      merger(`${root}.deepstack_merger_list.${i}`, merged),
    ),
    ...decoderTensors(qwen3VlDecoder(config)),
  ];
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

type VisionConfig = Qwen3VlConfig["vision_config"];

const LAYER_NORM_EPS = 1e-6;

/**
 * The Qwen3-VL tower: patches, interpolated positions, blocks with 2-D rotary positions, a merger to the width of the decoder,
 * and deepstack mergers after chosen blocks.
 */
function qwen3VisionTower(config: Qwen3VlConfig): VisionTower {
  const vision = config.vision_config;
  return {
    prefixes: ["model.visual"],
    deepstackLayers: vision.deepstack_visual_indexes.length,
    imageTokenId: config.image_token_id,
    plan: (images) => planImages(vision, images),
    forward: (tensors, inputs, adapters) => encodeImages(vision, rootScope(tensors, adapters), inputs),
  };
}

/** Padded images, and for every patch its corners in the position table `[4 I N]` and their shares `[4, I N, 1]`. */
function planImages(vision: VisionConfig, images: readonly ProcessedImage[]): VisionPlan {
  const padded = planPadded(vision, vision.hidden_size / vision.num_heads, images);
  const side = Math.sqrt(vision.num_position_embeddings);
  const [I, N] = [images.length, padded.patches];
  const corners = new Int32Array(4 * I * N);
  const shares = new Float32Array(4 * I * N);
  images.forEach((image, i) => {
    const count = patchCount(image.grid);
    const table = interpolatedRows(image.grid, vision.spatial_merge_size, side);
    for (let corner = 0; corner < 4; corner++) {
      const [from, to] = [corner * count, (corner + 1) * count];
      corners.set(table.indices.subarray(from, to), (corner * I + i) * N);
      shares.set(table.weights.subarray(from, to), (corner * I + i) * N);
    }
  });
  const inputs: Record<string, HostTensor> = {
    ...padded.inputs,
    corners: { data: corners, shape: [4 * I * N] },
    shares: { data: shares, shape: [4, I * N, 1] },
  };
  return { ...padded, inputs };
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

/** Bilinear interpolation of a learned position table: four rows of the table and their weights for every patch. */
interface InterpolatedRows {
  /** `[4, N]`: rows of the table. */
  readonly indices: Int32Array;
  /** `[4, N]`: their weights; the four of a patch add up to 1. */
  readonly weights: Float32Array;
}

/**
 * Where each patch of `grid` falls in a square table of `side` x `side` learned positions (Qwen3-VL).
 *
 * The corners of the image meet the corners of the table. Arithmetic in float32, as in `fast_pos_embed_interpolate` of
 * transformers. Order of the patches: see `patchCoordinates`.
 */
export function interpolatedRows(grid: PatchGrid, merge: number, side: number): InterpolatedRows {
  const { rows, columns } = patchCoordinates(grid, merge);
  const vertical = linspace(side - 1, grid[1]);
  const horizontal = linspace(side - 1, grid[2]);
  const count = rows.length;
  const indices = new Int32Array(4 * count); // [4, N]
  const weights = new Float32Array(4 * count); // [4, N]
  for (let patch = 0; patch < count; patch++) {
    const y = vertical[rows[patch]!]!;
    const x = horizontal[columns[patch]!]!;
    const [top, left] = [Math.trunc(y), Math.trunc(x)];
    const [bottom, right] = [Math.min(top + 1, side - 1), Math.min(left + 1, side - 1)];
    const [down, across] = [Math.fround(y - top), Math.fround(x - left)];
    const [up, back] = [Math.fround(1 - down), Math.fround(1 - across)];
    const cells = [top * side + left, top * side + right, bottom * side + left, bottom * side + right];
    const shares = [up * back, up * across, down * back, down * across];
    for (let corner = 0; corner < 4; corner++) {
      indices[corner * count + patch] = cells[corner]!;
      weights[corner * count + patch] = shares[corner]!;
    }
  }
  return { indices, weights };
}

/** `torch.linspace(0, end, steps)` in float32: from both ends towards the middle. */
function linspace(end: number, steps: number): Float32Array {
  const step = steps > 1 ? Math.fround(end / (steps - 1)) : 0;
  return Float32Array.from({ length: steps }, (_, index) =>
    index < steps / 2
      ? Math.fround(step * index)
      : Math.fround(end - Math.fround(step * (steps - 1 - index))),
  );
}
