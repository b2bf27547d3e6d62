import type * as tf from "@tensorflow/tfjs-core";
import type { ImageSize } from "@vlmr1/core";
import type { DecoderConfig } from "./decoder.ts";
import type { Positions } from "./rotary.ts";
import type { HostTensor, Tensors, TensorSpec } from "./tensors.ts";

/** The sizes of one image inside a prompt: all that positions and placeholders depend on. */
export interface ImageLayout {
  /** Shape of its pixels as the tower takes them. */
  readonly shape: readonly number[];
  /** Qwen: frames, patch rows, patch columns. Tiled families: 1, tile rows, tile columns (0, 0 when not split). */
  readonly grid: readonly [number, number, number];
  /** How many features replace the placeholders of this image. */
  readonly tokens: number;
  /** Pixels of the image that the model sees, for boxes in the `resized` frame. */
  readonly resized: ImageSize;
  /** Pixels of the image as it was given; for towers that leave out the features of padding. */
  readonly original?: ImageSize;
}

/** One image as the vision tower takes it. */
export interface ProcessedImage extends ImageLayout {
  /** Normalized pixels: patch rows `[patches, channels * time * patch * patch]` (Qwen) or tiles `[tiles, 3, side, side]`. */
  readonly pixels: Float32Array;
  /** Tiled families: 1 where a pixel of `[tiles, side, side]` is real; absent when all are. */
  readonly mask?: Uint8Array;
}

/** What a vision tower returns inside a graph. */
export interface VisionFeatures {
  /** `[rows, D]`; the rows of one image follow each other, see `VisionPlan.starts`. */
  readonly features: tf.Tensor2D;
  /** Qwen3-VL: features that are added after the first decoder layers, each `[rows, D]`. */
  readonly deepstack: readonly tf.Tensor2D[];
}

/** A batch of images as inputs of the vision graph; everything that depends on sizes is computed here, in plain TypeScript. */
export interface VisionPlan {
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** First feature row of each image; it owns `ProcessedImage.tokens` rows from there. */
  readonly starts: readonly number[];
  /** Feature rows of the whole batch, padding included. */
  readonly rows: number;
}

/** The image side of an architecture. */
export interface VisionTower {
  /** Canonical prefixes of the tower's parameters, merger or connector included. */
  readonly prefixes: readonly string[];
  /** Number of extra feature sets (`VisionFeatures.deepstack`). */
  readonly deepstackLayers: number;
  /** Token that images occupy in the prompt. */
  readonly imageTokenId: number;
  plan(images: readonly ProcessedImage[]): VisionPlan;
  /** Pure and recordable; `inputs` are the tensors of `plan(...).inputs` under the same names. `adapters`: see `Scope`. */
  forward(
    tensors: Tensors,
    inputs: Readonly<Record<string, tf.Tensor>>,
    adapters?: ReadonlyMap<string, number>,
  ): VisionFeatures;
}

/** A family applied to one configuration. */
export interface Architecture {
  readonly modelType: string;
  readonly decoder: DecoderConfig;
  readonly vision?: VisionTower;
  /** Every parameter in the order of the checkpoint: names and shapes. */
  readonly tensors: readonly TensorSpec[];
  /** Rotary positions of one unpadded prompt whose images are given in order. */
  positions(ids: readonly number[], images: readonly ImageLayout[]): Positions;
}
