import type * as tf from "@tensorflow/tfjs";
import type { ImageSize, RgbImage } from "@vlmr1/core";

/** A tensor in host memory, row-major. */
export interface HostTensor {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** Parameters by their canonical name, which is the name that transformers (4.52 and later) saves. */
export type Tensors = Readonly<Record<string, tf.Tensor>>;

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
}

/** One image as the vision tower takes it. */
export interface ProcessedImage extends ImageLayout {
  /** Normalized pixels: patch rows `[patches, channels * time * patch * patch]` (Qwen) or tiles `[tiles, 3, side, side]`. */
  readonly pixels: Float32Array;
  /** Tiled families: 1 where a pixel of `[tiles, side, side]` is real; absent when all are. */
  readonly mask?: Uint8Array;
}

/** Turns pictures into tensors and placeholders into text, equal to the processor of transformers. */
export interface ImageProcessor {
  /** What stands for one image in the rendered chat template, for example `<|image_pad|>`. */
  readonly placeholder: string;
  /** What `process` would make of an image of this size; allocates nothing. Throws `VlmR1Error` for sizes that the model cannot take. */
  layout(size: ImageSize): ImageLayout;
  /** Resizes, normalizes and cuts one image. Throws like `layout`. */
  process(image: RgbImage): ProcessedImage;
  /** The text that replaces the placeholder of this image. */
  expand(image: ImageLayout): string;
}

/** A decoder in numbers: everything in which Llama, Qwen2 and Qwen3 text models differ. */
export interface DecoderConfig {
  /** Canonical name in front of `embed_tokens`, `layers` and `norm`, for example `model.language_model`. */
  readonly prefix: string;
  readonly vocabularySize: number;
  /** Token whose embedding does not learn from its use as input (`pad_token_id`); absent: all learn. */
  readonly paddingTokenId?: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly rmsNormEps: number;
  /** Longest sequence, prompt and completion together. */
  readonly contextLength: number;
  /** Biases of the query, key and value projections (Qwen2). */
  readonly attentionBias: boolean;
  /** Bias of the output projection of attention (some Llamas); default false. */
  readonly outputBias?: boolean;
  /** Biases of the MLP (some Llamas); default false. */
  readonly mlpBias?: boolean;
  /** RMSNorm over every head of queries and keys before the rotation (Qwen3). */
  readonly queryKeyNorm: boolean;
  /** The output head is the embedding; no `lm_head.weight` in the file. */
  readonly tiedHead: boolean;
  readonly ropeTheta: number;
  /** Factors of the `headDim / 2` rotary frequencies (Llama 3.1 and the like); absent: 1. */
  readonly frequencyScale?: readonly number[];
  /** Position axis (0 time, 1 row, 2 column) that each of the `headDim / 2` rotary frequencies reads. All 0: plain RoPE. */
  readonly rotaryAxes: readonly number[];
}

/** Rotary positions of one unpadded prompt. */
export interface Positions {
  /** Three axes of `[T]`; families without multimodal positions repeat one. */
  readonly axes: readonly [Int32Array, Int32Array, Int32Array];
  /** Position of the first token after the prompt, on all axes. */
  readonly next: number;
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
  /**
   * Pure and recordable; `inputs` are the tensors of `plan(...).inputs` under the same names. `adapters`: see `Scope`.
   */
  forward(
    tensors: Tensors,
    inputs: Readonly<Record<string, tf.Tensor>>,
    adapters?: ReadonlyMap<string, number>,
  ): VisionFeatures;
}

/** One parameter of an architecture. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
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

/** Start of a checkpoint name and what it becomes; the first rule that matches wins. */
export interface Rename {
  readonly from: string;
  readonly to: string;
}

/** A kind of checkpoint: what `config.json` means, how older releases named the tensors, how images are prepared. */
export interface Family {
  /** Values of `model_type` in `config.json` that this family reads. */
  readonly modelTypes: readonly string[];
  /** Rules from names in files to canonical names, for example `visual.` to `model.visual.`. */
  readonly renames: readonly Rename[];
  /** Validates a parsed `config.json`. Throws `VlmR1Error` that names the field. */
  architecture(config: unknown): Architecture;
  /** Reads a parsed `preprocessor_config.json` (and `processor_config.json`). Absent for text-only families. */
  processor?(config: unknown, preprocessor: unknown, processor?: unknown): ImageProcessor;
}
