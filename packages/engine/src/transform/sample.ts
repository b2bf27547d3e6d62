import * as tf from "@tensorflow/tfjs";

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
    return invert(tf.softmax(scaled), uniforms);
  const kept = Math.min(topK ?? vocabulary, vocabulary);
  const { values, indices } = tf.topk(scaled, kept, true);
  const probabilities = tf.softmax(values); // [B, K], largest first
  const allowed = topP === undefined ? probabilities : nucleus(probabilities, topP);
  const rank = invert(allowed, uniforms); // [B]
  return tf.squeeze(tf.gather(indices, tf.expandDims(rank, 1), 1, 1), [1]);
}

/** Zeroes what lies behind the smallest set that reaches `topP` (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751). */
function nucleus(sorted: tf.Tensor, topP: number | tf.Tensor): tf.Tensor {
  const before = tf.cumsum(sorted, 1, true);
  return tf.mul(sorted, tf.cast(tf.less(before, topP), "float32"));
}

/** The first index whose cumulative sum exceeds the uniform share of the total; weights need not sum to 1. */
function invert(weights: tf.Tensor, uniforms: tf.Tensor): tf.Tensor1D {
  const last = weights.shape[1]! - 1;
  const cumulative = tf.cumsum(weights, 1); // [B, V]
  const total = tf.slice(cumulative, [0, last], [-1, 1]);
  const threshold = tf.mul(total, tf.reshape(uniforms, [-1, 1])); // below the total, because uniforms are below 1
  const passed = tf.sum(tf.cast(tf.lessEqual(cumulative, threshold), "int32"), 1);
  return tf.minimum(passed, tf.scalar(last, "int32"));
}
