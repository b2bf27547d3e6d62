import * as tf from "@tensorflow/tfjs-core";
import { type Rotary, rotate } from "./rotary.ts";

/**
 * Attention of groups that share a prefix.
 *
 * Letters: P prompts, G completions to each, T tokens of each completion, S prefix slots, K key heads, R query heads per key
 * head, d width. Queries `[P, K, G, R, T, d]`. With keys of the prefix `[P, K, S, d]` they form ONE matrix product of G R T rows
 * per prompt and key head; with their own keys `[P, K, G, C, d]` one product of R T rows. No tensor is repeated for the group or
 * for grouped queries (https://arxiv.org/abs/2305.13245), in the gradient neither.
 */
export interface HeadShape {
  readonly prompts: number;
  readonly group: number;
  readonly length: number;
  /** Whether rows are ordered `[T P G]` instead of `[P G T]`. */
  readonly stepsFirst?: boolean;
  readonly keyHeads: number;
  readonly queriesPerKey: number;
  readonly headDim: number;
}

export interface KeyValues {
  readonly keys: tf.Tensor;
  readonly values: tf.Tensor;
}

/** The axes of rows: `[P, G, T]`, or `[T, P, G]`. */
function rowAxes({ prompts, group, length, stepsFirst }: HeadShape): number[] {
  return stepsFirst ? [length, prompts, group] : [prompts, group, length];
}

/** `[P G T, K R d]` to `[P, K, G R, T, d]`. */
export function splitQueries(x: tf.Tensor, s: HeadShape): tf.Tensor {
  const apart = tf.reshape(x, [...rowAxes(s), s.keyHeads, s.queriesPerKey, s.headDim]);
  const heads = tf.transpose(apart, s.stepsFirst ? [1, 3, 2, 4, 0, 5] : [0, 3, 1, 4, 2, 5]); // [P, K, G, R, T, d]
  return tf.reshape(heads, [s.prompts, s.keyHeads * s.group * s.queriesPerKey, s.length, s.headDim]);
}

/** `[P G T, K d]` to `[P, K G, T, d]`. */
export function splitKeys(x: tf.Tensor, s: HeadShape): tf.Tensor {
  const apart = tf.reshape(x, [...rowAxes(s), s.keyHeads, s.headDim]);
  const heads = tf.transpose(apart, s.stepsFirst ? [1, 3, 2, 0, 4] : [0, 3, 1, 2, 4]); // [P, K, G, T, d]
  return tf.reshape(heads, [s.prompts, s.keyHeads * s.group, s.length, s.headDim]);
}

/** `[P, K G R, T, d]` to `[P G T, K R d]`. */
export function joinHeads(x: tf.Tensor, s: HeadShape): tf.Tensor {
  const apart = tf.reshape(x, [s.prompts, s.keyHeads, s.group, s.queriesPerKey, s.length, s.headDim]);
  const tokens = tf.transpose(apart, s.stepsFirst ? [4, 0, 2, 1, 3, 5] : [0, 2, 4, 1, 3, 5]); // [P, G, T, K, R, d] or [T, P, G, K, R, d]
  return tf.reshape(tokens, [s.prompts * s.group * s.length, s.keyHeads * s.queriesPerKey * s.headDim]);
}

/** Some of the keys that a query sees. */
export interface KeyPart extends KeyValues {
  /** True: `[P, K, C, d]`, the same for all completions of a prompt. False: `[P, K G, C, d]`, one set for each completion. */
  readonly shared: boolean;
}

/** Heads and rows of the matrix product with one part. */
function rowsFor(part: KeyPart, s: HeadShape): [heads: number, rows: number, slots: number] {
  const slots = part.keys.shape[2] as number;
  const { keyHeads: K, group: G, queriesPerKey: R, length: T } = s;
  return part.shared ? [K, G * R * T, slots] : [K * G, R * T, slots];
}

/** What is added to a score so that its key is not seen: far below any score, and finite, so that a row of nothing stays finite. */
export const HIDDEN = -1e9;

/**
 * One softmax over the keys of all parts. `query` is `[P, K G R, T, d]` and already scaled; `bias` broadcasts to
 * `[P, K G R, T, all slots]`, 0 where a key is seen and `HIDDEN` where not. Returns `[P, K G R, T, d]`.
 */
export function attend(
  query: tf.Tensor,
  parts: readonly KeyPart[],
  bias: tf.Tensor,
  s: HeadShape,
): tf.Tensor {
  const [P, heads, T, d] = query.shape as [number, number, number, number];
  const scores = parts.map((part) => {
    const [keyHeads, rows, slots] = rowsFor(part, s);
    const product = tf.matMul(tf.reshape(query, [P, keyHeads, rows, d]), part.keys, false, true); // [P, keyHeads, rows, slots]
    return tf.reshape(product, [P, heads, T, slots]);
  });
  const table = scores.length === 1 ? (scores[0] as tf.Tensor) : tf.concat(scores, -1); // [P, K G R, T, all slots]
  const weights = tf.softmax(tf.add(table, bias));
  const sizes = parts.map((part) => part.keys.shape[2] as number);
  const shares = sizes.length === 1 ? [weights] : tf.split(weights, sizes, -1);
  const sums = parts.map((part, i) => {
    const [keyHeads, rows, slots] = rowsFor(part, s);
    const share = tf.reshape(shares[i] as tf.Tensor, [P, keyHeads, rows, slots]);
    return tf.reshape(tf.matMul(share, part.values), [P, heads, T, d]);
  });
  return sums.reduce((total, sum) => tf.add(total, sum));
}

/** Attention inside each image of a batch. */
export interface VisionAttention {
  readonly heads: number;
  /** I: images (or tiles, or windows) of N patches each. */
  readonly images: number;
  /** Broadcasts to `[I, heads, N, N]`: 0 where a patch is seen, `HIDDEN` where it is padding. */
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
