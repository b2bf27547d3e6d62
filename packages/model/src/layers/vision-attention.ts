import * as tf from "@tensorflow/tfjs";
import { rotate, type Rotary } from "./rotary.ts";

/** Attention inside each image of a batch. */
export interface VisionAttention {
  readonly heads: number;
  /** I: images (or tiles, or windows) of N patches each. */
  readonly images: number;
  /** Broadcasts to `[I, heads, N, N]`: 0 where a patch is seen, -1e9 where it is padding. */
  readonly bias?: tf.Tensor;
  /** `[I, 1, N, headDim]`; absent in towers with learned positions only. */
  readonly rotary?: Rotary;
}

/** Bidirectional attention. `query`, `keys`, `values` and the result are `[I N, D]`. */
export function visionAttention(
  query: tf.Tensor,
  keys: tf.Tensor,
  values: tf.Tensor,
  a: VisionAttention,
): tf.Tensor {
  const [rows, D] = query.shape as [number, number];
  const N = rows / a.images;
  const split = (x: tf.Tensor) =>
    tf.transpose(tf.reshape(x, [a.images, N, a.heads, D / a.heads]), [0, 2, 1, 3]); // [I, H, N, d]
  let [q, k] = [split(query), split(keys)];
  if (a.rotary) [q, k] = [rotate(q, a.rotary), rotate(k, a.rotary)];
  const scores = tf.matMul(tf.mul(q, (D / a.heads) ** -0.5), k, false, true); // [I, H, N, N]
  const weights = tf.softmax(a.bias ? tf.add(scores, a.bias) : scores);
  const mixed = tf.matMul(weights, split(values)); // [I, H, N, d]
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, D]);
}
