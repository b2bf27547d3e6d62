import * as tf from "@tensorflow/tfjs-core";

/** How to shape a distribution before sampling. Each may be a number (part of the program) or a scalar tensor. */
export interface SampleOptions {
  /** Divides the logits; 0 is greedy (a number only). Default 1. */
  readonly temperature?: number | tf.Tensor;
  /** Keep this many of the most probable, at least 1. Default all. */
  readonly topK?: number;
  /** Keep the smallest set of most probable whose probability reaches this, in (0, 1]. Default 1. */
  readonly topP?: number | tf.Tensor;
}

/**
 * Draws one index per row by inverting the cumulative distribution: the first index whose cumulative probability exceeds
 * the row's uniform number. The randomness is an argument, so a seed gives the same indices on any device.
 *
 * @param logits float32 `[B, V]`
 * @param uniforms float32 `[B]` in [0, 1)
 * @returns int32 `[B]`
 */
export function sampleFromUniforms(
  logits: tf.Tensor,
  uniforms: tf.Tensor,
  options: SampleOptions = {},
): tf.Tensor1D {
  const { temperature = 1, topK, topP } = options;
  if (temperature === 0) return tf.argMax(logits, -1);
  const scaled = tf.div(logits, temperature);
  const vocabulary = logits.shape[1]!;
  if (topP === undefined && (topK === undefined || topK >= vocabulary))
    return drawFromWeights(tf.softmax(scaled), uniforms);
  const kept = Math.min(topK ?? vocabulary, vocabulary);
  const { values, indices } = tf.topk(scaled, kept, true);
  const probabilities = tf.softmax(values); // [B, K], largest first
  const allowed = topP === undefined ? probabilities : nucleus(probabilities, topP);
  const rank = drawFromWeights(allowed, uniforms); // [B]
  return tf.squeeze(tf.gather(indices, tf.expandDims(rank, 1), 1, 1), [1]);
}

/** Zeroes what lies behind the smallest set that reaches `topP` (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751). */
function nucleus(sorted: tf.Tensor, topP: number | tf.Tensor): tf.Tensor {
  const before = tf.cumsum(sorted, 1, true);
  return tf.mul(sorted, tf.cast(tf.less(before, topP), "float32"));
}

/** Just below 1: a threshold of this share of a total lies below it after rounding. */
const BELOW_ONE = 1 - 2 ** -23;

/** Where a threshold falls in the cumulative sums of a row. */
interface Place {
  /** int32 `[B]`: the first index whose cumulative sum exceeds the threshold. */
  readonly index: tf.Tensor1D;
  /** What of the threshold is left at that index, `[B, 1]`. */
  readonly rest: tf.Tensor;
}

/** Thresholds `[B, 1]` are kept below the sum of their row, so that no weight of zero is ever chosen. */
function locate(weights: tf.Tensor, threshold: (total: tf.Tensor) => tf.Tensor): Place {
  const last = weights.shape[1]! - 1;
  const cumulative = tf.cumsum(weights, 1); // [B, n]
  const total = tf.slice(cumulative, [0, last], [-1, 1]); // [B, 1]
  const limit = tf.minimum(threshold(total), tf.mul(total, BELOW_ONE));
  const passed = tf.lessEqual(cumulative, limit);
  const count = tf.sum(tf.cast(passed, "int32"), 1) as tf.Tensor1D;
  const before = tf.max(tf.mul(cumulative, tf.cast(passed, "float32")), 1, true);
  return { index: tf.minimum(count, tf.scalar(last, "int32")), rest: tf.sub(limit, before) };
}

/** A width of blocks near the root of `n`, which divides it if possible. */
function blockWidth(n: number): number {
  const root = Math.ceil(Math.sqrt(n));
  for (let width = root; width > root / 2; width--) if (n % width === 0) return width;
  return root;
}

/**
 * Draws an index per row in proportion to `weights` `[B, V]`, which are not negative and need not sum to 1: the first index whose
 * cumulative weight exceeds the row's share `uniforms` `[B]` of the total. It looks for a block first and then inside it: one
 * cumulative sum as long as a vocabulary would take longer than everything else in sampling. Returns int32 `[B]`.
 */
export function drawFromWeights(weights: tf.Tensor, uniforms: tf.Tensor): tf.Tensor1D {
  const [rows, n] = weights.shape as [number, number];
  const width = blockWidth(n);
  const blocks = Math.ceil(n / width);
  const missing = blocks * width - n;
  const whole =
    missing === 0
      ? weights
      : tf.pad(weights, [
          [0, 0],
          [0, missing],
        ]);
  const table = tf.reshape(whole, [rows, blocks, width]);
  const block = locate(tf.sum(table, 2), (total) => tf.mul(total, tf.reshape(uniforms, [-1, 1])));
  const chosen = tf.gather(table, block.index, 1, 1); // [B, width]
  const inner = locate(chosen, () => block.rest);
  return tf.add(tf.mul(block.index, tf.scalar(width, "int32")), inner.index);
}
