import * as tf from "@tensorflow/tfjs";

/** Cosines and signed sines of rotary angles, both `[..., T, headDim]`, broadcastable to the heads. */
export interface Rotary {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
}

/** Rotary tables in host memory; `[n, headDim]` each. */
export interface RotaryTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** `theta^(-2 i / dim)` for i = 0 .. dim / 2 - 1, rounded to float32 as PyTorch does. */
export function inverseFrequencies(theta: number, dim: number): Float32Array {
  return Float32Array.from({ length: dim / 2 }, (_, i) => 1 / Math.fround(theta ** ((2 * i) / dim)));
}

/**
 * Tables for `n` tokens from their angles `[n, headDim / 2]`; the first half of the sines is negated, so that a rotation is
 * `x cos + swap(x) sin` with the halves of `x` swapped. RoFormer, https://arxiv.org/abs/2104.09864, equation 34, in the
 * half-split order of transformers.
 */
export function rotaryTables(angles: Float32Array, half: number): RotaryTables {
  const rows = angles.length / half;
  const cos = new Float32Array(rows * half * 2);
  const sin = new Float32Array(rows * half * 2);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      const angle = angles[row * half + i] as number;
      const at = row * half * 2 + i;
      cos[at] = cos[at + half] = Math.cos(angle);
      sin[at + half] = Math.sin(angle);
      sin[at] = -Math.sin(angle);
    }
  }
  return { cos, sin };
}

/** Rotates `x` `[..., T, headDim]` by tables that broadcast to it. */
export function rotate(x: tf.Tensor, { cos, sin }: Rotary): tf.Tensor {
  const [first, second] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
  return tf.add(tf.mul(x, cos), tf.mul(tf.concat([second, first], -1), sin));
}
