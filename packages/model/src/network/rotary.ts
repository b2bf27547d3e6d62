import * as tf from "@tensorflow/tfjs-core";

/** Rotary positions of one unpadded prompt. */
export interface Positions {
  /** Three axes of `[T]`; families without multimodal positions repeat one. */
  readonly axes: readonly [Int32Array, Int32Array, Int32Array];
  /** Position of the first token after the prompt, on all axes. */
  readonly next: number;
}

/** Positions 0, 1, 2, … on all three axes: prompts of text-only models and of families with plain RoPE. */
export function consecutivePositions(length: number): Positions {
  const axis = Int32Array.from({ length }, (_, index) => index);
  return { axes: [axis, axis, axis], next: length };
}

/**
 * Position axis (0 time, 1 row, 2 column) of each of the `frequencies` rotary frequencies in a multimodal decoder.
 *
 * Chunked (Qwen2-VL, Qwen2.5-VL): the first `sections[0]` frequencies read time, the next ones rows, the last ones columns.
 * Interleaved (Qwen3-VL): all read time, except indices 1, 4, 7, … below `3 * sections[1]` (rows) and 2, 5, 8, … below
 * `3 * sections[2]` (columns). Without sections every frequency reads axis 0: plain RoPE.
 *
 * Source: `apply_multimodal_rotary_pos_emb` and `apply_interleaved_mrope` of transformers; M-RoPE: Qwen2-VL
 * (https://arxiv.org/abs/2409.12191), section 2.1.
 */
export function rotaryAxes(
  frequencies: number,
  sections: readonly number[] | undefined,
  interleaved: boolean,
): number[] {
  const axes = Array.from({ length: frequencies }, () => 0);
  if (!sections) return axes;
  const [time = 0, rows = 0, columns = 0] = sections;
  for (let i = 0; i < frequencies; i++) {
    if (interleaved) axes[i] = i % 3 === 1 && i < 3 * rows ? 1 : i % 3 === 2 && i < 3 * columns ? 2 : 0;
    else axes[i] = i < time ? 0 : i < time + rows ? 1 : 2;
  }
  return axes;
}

/** `theta^(-2 i / dim)` for i = 0 .. dim / 2 - 1, rounded to float32 as PyTorch does. */
export function inverseFrequencies(theta: number, dim: number): Float32Array {
  return Float32Array.from({ length: dim / 2 }, (_, i) => 1 / Math.fround(theta ** ((2 * i) / dim)));
}

/** Rotary tables in host memory; `[n, headDim]` each. */
export interface RotaryTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * Tables for `n` tokens from their angles `[n, headDim / 2]`; the first half of the sines is negated, so that a rotation is
 * `x cos + swap(x) sin` with the halves of `x` swapped. RoFormer, https://arxiv.org/abs/2104.09864, equation 34, in the
 * half-split order of transformers. All are multiplied by `scale`.
 */
export function rotaryTables(angles: Float32Array, half: number, scale = 1): RotaryTables {
  const rows = angles.length / half;
  const cos = new Float32Array(rows * half * 2);
  const sin = new Float32Array(rows * half * 2);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      const angle = angles[row * half + i] as number;
      const at = row * half * 2 + i;
      cos[at] = cos[at + half] = scale * Math.cos(angle);
      sin[at + half] = scale * Math.sin(angle);
      sin[at] = -scale * Math.sin(angle);
    }
  }
  return { cos, sin };
}

/** What the rotary tables of a decoder depend on. */
export interface RotaryConfig {
  readonly headDim: number;
  readonly ropeTheta: number;
  /** Factors of the `headDim / 2` rotary frequencies (Llama 3.1, YaRN); absent: 1. */
  readonly frequencyScale?: readonly number[];
  /** What rotated queries and keys are multiplied by (YaRN); absent: 1. */
  readonly rotaryScale?: number;
  /** Position axis (0 time, 1 row, 2 column) that each of the `headDim / 2` rotary frequencies reads. All 0: plain RoPE. */
  readonly rotaryAxes: readonly number[];
}

/** Rotary tables of tokens whose positions are given on three axes, `[n, headDim]` each. */
export function positionTables(decoder: RotaryConfig, axes: Positions["axes"]): RotaryTables {
  const half = decoder.headDim / 2;
  const frequencies = inverseFrequencies(decoder.ropeTheta, decoder.headDim);
  const length = axes[0].length;
  const angles = new Float32Array(length * half); // [n, headDim / 2]
  for (let i = 0; i < half; i++) {
    const axis = axes[decoder.rotaryAxes[i] as 0 | 1 | 2];
    const frequency = (frequencies[i] as number) * (decoder.frequencyScale?.[i] ?? 1);
    for (let at = 0; at < length; at++) angles[at * half + i] = (axis[at] as number) * frequency;
  }
  return rotaryTables(angles, half, decoder.rotaryScale);
}

/** Cosines and signed sines of rotary angles, both `[..., T, headDim]`, broadcastable to the heads. */
export interface Rotary {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
}

/** Rotates `x` `[..., T, headDim]` by tables that broadcast to it. */
export function rotate(x: tf.Tensor, { cos, sin }: Rotary): tf.Tensor {
  const [first, second] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
  return tf.add(tf.mul(x, cos), tf.mul(tf.concat([second, first], -1), sin));
}
