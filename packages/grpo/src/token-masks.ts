import * as tf from "@tensorflow/tfjs";
import { countedTokens } from "./masked.ts";

/**
 * 1 for the tokens at which the policy was least certain: entropy at or above the `quantile` (0..1) of all counting tokens, with
 * linear interpolation. Carries no gradient. Source: "Beyond the 80/20 rule", arXiv:2506.01939; `quantile` 0.8 keeps 20 %.
 */
export function topEntropyMask(entropies: tf.Tensor2D, mask: tf.Tensor2D, quantile: number): tf.Tensor2D {
  const masked = tf.where(tf.greater(mask, 0), entropies, tf.fill(mask.shape, -1)) as tf.Tensor2D; // entropies are >= 0
  const sorted = tf.topk(tf.reshape(masked, [-1]), mask.size, true).values; // [B T], largest first
  const last = tf.sub(tf.maximum(tf.sum(mask), 1), 1); // rank of the smallest counting entropy, []
  const rank = tf.mul(last, quantile); // counted from the smallest, []
  const lower = tf.sub(last, tf.floor(rank));
  const upper = tf.maximum(tf.sub(lower, 1), 0);
  const ends = tf.gather(sorted, tf.cast(tf.stack([lower, upper]), "int32")); // [2]
  const [below, above] = [tf.slice(ends, 0, 1), tf.slice(ends, 1, 1)];
  const threshold = tf.add(below, tf.mul(tf.sub(above, below), tf.sub(rank, tf.floor(rank)))); // [1]
  return tf.mul(tf.cast(tf.greaterEqual(entropies, threshold), "float32"), mask);
}

/**
 * 0 for completions that are bad (negative advantage) and that the policy has left behind: their mean log-probability under the
 * sampler exceeds that under the policy by more than `threshold`. [B, 1]. Carries no gradient.
 * Source: DeepSeek-V3.2, arXiv:2512.02556; TRL's `off_policy_mask_threshold`.
 */
export function offPolicyMask(
  logProbs: tf.Tensor2D, // [B, T]
  samplerLogProbs: tf.Tensor2D, // [B, T]
  advantages: tf.Tensor1D, // [B]
  mask: tf.Tensor2D, // [B, T]
  threshold: number,
): tf.Tensor2D {
  const drift = tf.div(tf.sum(tf.mul(tf.sub(samplerLogProbs, logProbs), mask), 1, true), countedTokens(mask)); // [B, 1]
  const keep = tf.logicalOr(tf.greaterEqual(tf.expandDims(advantages, 1), 0), tf.lessEqual(drift, threshold));
  return tf.cast(keep, "float32") as tf.Tensor2D;
}
