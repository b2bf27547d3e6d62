import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { mergedGrid, patchCoordinates, patchCount, type PatchGrid } from "../images/patches.ts";
import type { ImageProcessor } from "../images/processor.ts";
import { qwenProcessor } from "../images/qwen-processor.ts";
import type { Architecture, ProcessedImage, VisionPlan } from "../network/architecture.ts";
import { HIDDEN, type VisionAttention, visionAttention } from "../network/attention.ts";
import type { DecoderConfig } from "../network/decoder.ts";
import { linear, linearTensors } from "../network/linear.ts";
import { gelu } from "../network/norm.ts";
import { inverseFrequencies, type Positions, rotaryTables } from "../network/rotary.ts";
import { child, parameter, type Scope } from "../network/scope.ts";
import type { TensorSpec } from "../network/tensors.ts";
import { dimension, layerCount, positive, tokenId } from "../weights/documents.ts";
import type { Rename } from "../weights/names.ts";
import { decoderFields } from "./decoder-config.ts";
import { qwen2Decoder } from "./text-decoders.ts";

// What the vision-language models of Qwen share: Qwen2-VL and Qwen2.5-VL their outer configuration, decoder and merger, and all of
// them, Qwen3-VL too, the processor, the order of patches, and positions on three axes.

/** The outer fields of Qwen2-VL and Qwen2.5-VL. */
export const outerFields = z.looseObject({
  image_token_id: tokenId.default(151655),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: decoderFields,
});

/**
 * The released files keep the fields of the text model at the root; files saved by newer versions of transformers nest them.
 * Returns the nested form.
 */
export function nestText(json: unknown): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  const { text_config: text } = json as { text_config?: unknown };
  return text === undefined || text === null ? { ...json, text_config: { ...json } } : json;
}

/** Fields that the towers of Qwen2-VL and Qwen2.5-VL share, with the defaults of their classes. */
export const qwenTowerFields = z.looseObject({
  depth: layerCount.default(32),
  num_heads: dimension.default(16),
  in_channels: z.literal(3).default(3),
  patch_size: dimension.default(14),
  spatial_merge_size: dimension.default(2),
  temporal_patch_size: dimension.default(2),
  rope_parameters: z.looseObject({ rope_theta: positive.nullish() }).nullish(),
});

/** The Qwen2 decoder with chunked multimodal positions, of Qwen2-VL and Qwen2.5-VL. */
export function qwenVlDecoder(config: z.output<typeof outerFields>): DecoderConfig {
  const text = config.text_config;
  const tiedHead = config.tie_word_embeddings ?? text.tie_word_embeddings ?? false;
  return qwen2Decoder(text, "model.language_model", tiedHead, {
    interleaved: false,
    defaultSections: [16, 24, 24],
  });
}

/** The releases of Qwen2-VL and Qwen2.5-VL predate the present naming; `_checkpoint_conversion_mapping` of transformers. */
export const qwenVlRenames: readonly Rename[] = [
  { from: "model.visual.", to: "model.visual." },
  { from: "model.language_model.", to: "model.language_model." },
  { from: "visual.", to: "model.visual." },
  { from: "model.", to: "model.language_model." },
];

/** What the configurations of all Qwen towers say about patches. */
interface PatchShape {
  readonly in_channels: number;
  readonly temporal_patch_size: number;
  readonly patch_size: number;
  readonly spatial_merge_size: number;
  readonly rope_parameters?: { readonly rope_theta?: number | null | undefined } | null | undefined;
}

/** The convolution over patches; it has no bias. */
export function patchEmbedding(vision: PatchShape, width: number): TensorSpec {
  const { in_channels: channels, temporal_patch_size: frames, patch_size: side } = vision;
  return { name: "model.visual.patch_embed.proj.weight", shape: [width, channels, frames, side, side] };
}

/** The two layers of the merger. */
export function mergerTensors(vision: PatchShape, width: number, outputs: number): TensorSpec[] {
  const merged = width * vision.spatial_merge_size ** 2;
  return [
    ...linearTensors("model.visual.merger.mlp.0", merged, merged),
    ...linearTensors("model.visual.merger.mlp.2", outputs, merged),
  ];
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

/** Joins the patches of each cell, `[rows, D]`, and projects them to the width of the decoder: `[rows / merge^2, out]`. */
export function mergeCells(scope: Scope, x: tf.Tensor, merge: number): tf.Tensor {
  const cells = tf.reshape(x, [-1, (x.shape[1] as number) * merge * merge]);
  return linear(child(scope, "mlp.2"), gelu(linear(child(scope, "mlp.0"), cells)));
}

/** Numbers in one patch row: channels, frames, rows and columns. */
export function patchWidth(vision: PatchShape): number {
  return vision.in_channels * vision.temporal_patch_size * vision.patch_size ** 2;
}

/** The base of the rotary frequencies in a tower; 10000 in all releases. */
export function towerTheta({ rope_parameters: rope }: PatchShape): number {
  return rope?.rope_theta ?? 10_000;
}

/** The image processor of a tower, from a parsed `preprocessor_config.json`. */
export function towerProcessor(preprocessor: unknown, vision: PatchShape): ImageProcessor {
  return qwenProcessor(preprocessor, {
    patchSize: vision.patch_size,
    temporalPatchSize: vision.temporal_patch_size,
    mergeSize: vision.spatial_merge_size,
  });
}

/**
 * Pads the images of a batch to one number of patches N; padded patches are hidden from the others. `pixels` `[I N, width]`, rotary
 * tables `[I, 1, N, headDim]`, `bias` `[I, 1, 1, N]`.
 */
export function planPadded(
  vision: PatchShape,
  headDim: number,
  images: readonly ProcessedImage[],
): VisionPlan & { readonly patches: number } {
  const { spatial_merge_size: merge } = vision;
  const width = patchWidth(vision);
  const [I, N] = [images.length, Math.max(...images.map((image) => patchCount(image.grid)))];
  const pixels = new Float32Array(I * N * width);
  const angles = new Float32Array((I * N * headDim) / 2);
  const bias = new Float32Array(I * N);
  images.forEach((image, i) => {
    pixels.set(image.pixels, i * N * width);
    angles.set(visionRotaryAngles(image.grid, merge, headDim, towerTheta(vision)), (i * N * headDim) / 2);
    bias.fill(HIDDEN, i * N + patchCount(image.grid), (i + 1) * N);
  });
  const rotary = rotaryTables(angles, headDim / 2);
  const inputs = {
    pixels: { data: pixels, shape: [I * N, width] },
    cos: { data: rotary.cos, shape: [I, 1, N, headDim] },
    sin: { data: rotary.sin, shape: [I, 1, N, headDim] },
    bias: { data: bias, shape: [I, 1, 1, N] },
  };
  const perImage = N / merge ** 2;
  return { inputs, starts: images.map((_, i) => i * perImage), rows: I * perImage, patches: N };
}

/**
 * Rotary angles of every patch in a Qwen vision tower, `[N, headDim / 2]`: the first half of the frequencies reads the row, the
 * second half the column. Order of the patches: see `patchCoordinates`.
 *
 * Arithmetic in float32, as transformers computes it (`Qwen2VLVisionRotaryEmbedding`); `theta` is 10000 in all releases.
 */
export function visionRotaryAngles(
  grid: PatchGrid,
  merge: number,
  headDim: number,
  theta: number,
): Float32Array {
  const { rows, columns } = patchCoordinates(grid, merge);
  const half = headDim / 2;
  const frequencies = inverseFrequencies(theta, half); // [headDim / 4]
  const quarter = frequencies.length;
  const angles = new Float32Array(rows.length * half); // [N, headDim / 2]
  for (let patch = 0; patch < rows.length; patch++) {
    for (let i = 0; i < quarter; i++) {
      angles[patch * half + i] = rows[patch]! * frequencies[i]!;
      angles[patch * half + quarter + i] = columns[patch]! * frequencies[i]!;
    }
  }
  return angles;
}

/** Positions of prompts whose images have `merge` x `merge` patches in a placeholder. */
export function imagePositions(imageTokenId: number, merge: number): Architecture["positions"] {
  return (ids, images) => {
    const grids = images.map((image) => mergedGrid(image.grid, merge));
    return multimodalPositions(ids, imageTokenId, grids);
  };
}

/** Size of one image in placeholders: frames, rows and columns after the merger. */
type TokenGrid = readonly [frames: number, rows: number, columns: number];

/**
 * Multimodal rotary positions of one unpadded prompt (M-RoPE, Qwen2-VL, https://arxiv.org/abs/2409.12191, section 2.1).
 *
 * Text advances all three axes together. The placeholders of an image share its starting position on the time axis and add their
 * frame, row and column; the text after it continues at the start plus the longest side.
 *
 * Throws `VlmR1Error` (`invalid-argument`) when the placeholders in `ids` do not fit `grids`.
 */
export function multimodalPositions(
  ids: readonly number[],
  imageTokenId: number,
  grids: readonly TokenGrid[],
): Positions {
  const axes = [new Int32Array(ids.length), new Int32Array(ids.length), new Int32Array(ids.length)] as const; // each [T]
  let next = 0;
  let image = 0;
  let index = 0;
  while (index < ids.length) {
    const grid = ids[index] === imageTokenId ? grids[image] : undefined;
    if (ids[index] !== imageTokenId) {
      for (const axis of axes) axis[index] = next;
      next += 1;
      index += 1;
      continue;
    }
    if (!grid) throw mismatch(ids, imageTokenId, grids);
    const [frames, rows, columns] = grid;
    for (let i = 0; i < frames * rows * columns; i++, index++) {
      if (ids[index] !== imageTokenId) throw mismatch(ids, imageTokenId, grids);
      axes[0][index] = next + Math.floor(i / (rows * columns));
      axes[1][index] = next + (Math.floor(i / columns) % rows);
      axes[2][index] = next + (i % columns);
    }
    next += Math.max(frames, rows, columns);
    image += 1;
  }
  if (image !== grids.length) throw mismatch(ids, imageTokenId, grids);
  return { axes, next };
}

function mismatch(ids: readonly number[], imageTokenId: number, grids: readonly TokenGrid[]): VlmR1Error {
  const placeholders = ids.filter((id) => id === imageTokenId).length;
  const features = grids.map(([frames, rows, columns]) => frames * rows * columns);
  return new VlmR1Error(
    "invalid-argument",
    `The prompt has ${placeholders} image placeholders (token ${imageTokenId}), its ${grids.length} images need ` +
      `[${features.join(", ")}]. Give one image for each image part of the messages, in order.`,
  );
}
