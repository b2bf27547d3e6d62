import * as tf from "@tensorflow/tfjs";

/** An estimator of KL(pi_theta || pi_ref) from one sampled token. */
export type KlEstimator = "k1" | "k2" | "k3";

/**
 * Per-token estimates of KL(policy || reference) from the log-probabilities of sampled tokens, with their gradients.
 *
 * - `k1` = log pi - log ref: unbiased, may be negative; its own gradient has zero mean.
 * - `k2` = (log pi - log ref)^2 / 2: biased, never negative.
 * - `k3` = exp(log ref - log pi) - (log ref - log pi) - 1: unbiased, never negative; GRPO's choice.
 *
 * Source: J. Schulman, "Approximating KL divergence", http://joschu.net/blog/kl-approx.html; DeepSeekMath eq. 4.
 */
export function klDivergence(
  logProbs: tf.Tensor2D, // [B, T]
  referenceLogProbs: tf.Tensor2D, // [B, T]
  estimator: KlEstimator,
): tf.Tensor2D {
  const excess = tf.sub(logProbs, referenceLogProbs) as tf.Tensor2D; // log pi - log ref
  if (estimator === "k1") return excess;
  if (estimator === "k2") return tf.mul(tf.square(excess), 0.5);
  const deficit = tf.neg(excess);
  return tf.sub(tf.sub(tf.exp(clampExponent(deficit)), deficit), 1);
}

/** Keeps exp() finite: beyond e^20 a ratio says only "absurd", and 1e9 already is. */
export function clampExponent<T extends tf.Tensor>(logRatio: T): T {
  return tf.clipByValue(logRatio, -20, 20) as T;
}
