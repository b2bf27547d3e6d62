import * as tf from "@tensorflow/tfjs-core";
import type { PolicyLossInputs } from "@vlmr1/policy";
import { z } from "zod";

/*
 * What losses are made of, in the order in which one number per token, [B, T], becomes a loss: sums over what counts, the importance
 * ratio, the KL term, corrections and masks, and five ways to aggregate.
 */

/** Sum over everything that counts. `values` may be one number per completion, [B, 1]. */
export function maskedSum(values: tf.Tensor, mask: tf.Tensor2D): tf.Scalar {
  return tf.sum(tf.mul(values, mask)) as tf.Scalar; // [B, T] -> []
}

/** Mean over everything that counts, 0 when nothing does. */
export function maskedMean(values: tf.Tensor, mask: tf.Tensor2D): tf.Scalar {
  return tf.div(maskedSum(values, mask), tf.maximum(tf.sum(mask), 1)) as tf.Scalar;
}

/** Mean over tokens that count of values per token, [B, T]; plain mean over completions of values per completion, [B, 1]. */
export function meanOver(values: tf.Tensor2D, mask: tf.Tensor2D): tf.Scalar {
  return values.shape[1] === 1 ? tf.mean(values) : maskedMean(values, mask);
}

/** Tokens that count in each completion, at least 1 so that it can divide. */
export function countedTokens(mask: tf.Tensor2D): tf.Tensor2D {
  return tf.maximum(tf.sum(mask, 1, true), 1) as tf.Tensor2D; // [B, T] -> [B, 1]
}

/**
 * Computes a tensor of `inputs` through which no gradient flows (stop-gradient), and whose ops need no gradient of their own:
 * comparisons, sorting and gathering are allowed inside.
 */
export function detached<T extends tf.Tensor>(
  compute: (...inputs: tf.Tensor[]) => T,
  ...inputs: readonly tf.Tensor[]
): T {
  const shapes = inputs.map((input) => input.shape);
  const withoutGradient = tf.customGrad((...args) => ({
    value: compute(...(args.slice(0, inputs.length) as tf.Tensor[])),
    gradFunc: () => shapes.map((shape) => tf.zeros(shape)),
  }));
  return withoutGradient(...inputs) as T;
}

/** Keeps exp() finite: beyond e^20 a ratio says only "absurd", and 1e9 already is. */
export function clampExponent<T extends tf.Tensor>(logRatio: T): T {
  return tf.clipByValue(logRatio, -20, 20) as T;
}

/** Whether the importance ratio is taken per token (GRPO) or as the geometric mean over a completion (GSPO). */
export type RatioLevel = "token" | "sequence";

/** log pi_theta - log pi_old where tokens count, 0 elsewhere: padding never reaches an exponential. [B, T] */
export function logRatio({ logProbs, oldLogProbs, mask }: PolicyLossInputs): tf.Tensor2D {
  return tf.mul(tf.sub(logProbs, oldLogProbs), mask);
}

/**
 * The importance ratio pi_theta / pi_old of each token [B, T], or of each completion [B, 1]: exp of the mean log-ratio of its
 * tokens (GSPO, arXiv:2507.18071, eq. 7).
 */
export function importanceRatio(inputs: PolicyLossInputs, level: RatioLevel): tf.Tensor2D {
  const perToken = logRatio(inputs); // [B, T]
  if (level === "token") return tf.exp(clampExponent(perToken));
  const perCompletion = tf.div(tf.sum(perToken, 1, true), countedTokens(inputs.mask)) as tf.Tensor2D; // [B, 1]
  return tf.exp(clampExponent(perCompletion));
}

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

/** How to correct for a sampler that is not quite the policy: another engine, another precision, older weights. */
export const SamplerCorrection = z.strictObject({
  level: z
    .enum(["token", "sequence"])
    .default("token")
    .describe("One weight for each token, or the product over a completion."),
  mode: z
    .enum(["truncate", "mask", "none"])
    .default("truncate")
    .describe(
      "Cut weights outside the range to its ends, drop what lies outside, or trust the sampler as it is.",
    ),
  max: z.number().positive().default(2).describe("Largest weight."),
  min: z.number().min(0).default(0).describe("Smallest weight; 0 is no lower limit."),
});
export type SamplerCorrection = z.output<typeof SamplerCorrection>;

/**
 * Importance weights pi_old / pi_sampler, truncated: they multiply the policy term of a loss, and carry no gradient.
 *
 * Truncated importance sampling (TIS): Yao et al., "Your efficient RL framework secretly brings you off-policy RL training",
 * https://fengyao.notion.site/off-policy-rl; level and mode as in TRL's `vllm_importance_sampling_mode`.
 */
export function samplerWeights(
  { oldLogProbs, samplerLogProbs, mask }: PolicyLossInputs,
  { level, mode, max, min }: SamplerCorrection,
): tf.Tensor2D | undefined {
  if (samplerLogProbs === undefined || mode === "none") return undefined;
  const difference = tf.mul(tf.sub(oldLogProbs, samplerLogProbs), mask) as tf.Tensor2D; // [B, T]
  const logWeight = level === "token" ? difference : (tf.sum(difference, 1, true) as tf.Tensor2D); // [B, T] or [B, 1]
  const weight = tf.exp(clampExponent(logWeight));
  if (mode === "truncate") return tf.clipByValue(weight, min, max);
  const inside = tf.logicalAnd(tf.greaterEqual(weight, min), tf.lessEqual(weight, max));
  return tf.where(inside, weight, tf.zerosLike(weight));
}

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

/*
 * Five ways to turn one (already masked) number per token, [B, T], into a loss. They differ in what long answers weigh.
 * Each returns the share of this micro-batch: shares of one optimizer step add up.
 */

/** Mean over tokens of each completion, then over completions: long answers spread thin (GRPO, SAPO). */
export function meanOfCompletionMeans(
  perToken: tf.Tensor2D,
  { mask, totalCompletions }: PolicyLossInputs,
): tf.Scalar {
  const means = tf.div(tf.sum(perToken, 1, true), countedTokens(mask)); // [B, T] -> [B, 1]
  return tf.div(tf.sum(means), totalCompletions);
}

/** Sum over tokens of each completion, then mean over completions: a token weighs as much wherever it stands (LUSPO). */
export function meanOfCompletionSums(
  perToken: tf.Tensor2D,
  { totalCompletions }: PolicyLossInputs,
): tf.Scalar {
  return tf.div(tf.sum(perToken), totalCompletions);
}

/** Mean over the tokens of the micro-batch, averaged over micro-batches: depends on how the step is cut (BNPO). */
export function meanOfMicroBatchTokens(
  perToken: tf.Tensor2D,
  { mask, microBatches }: PolicyLossInputs,
): tf.Scalar {
  return tf.div(tf.div(tf.sum(perToken), tf.maximum(tf.sum(mask), 1)), microBatches);
}

/** Mean over all tokens of the optimizer step (DAPO, CISPO). */
export function meanOfAllTokens(perToken: tf.Tensor2D, { totalTokens }: PolicyLossInputs): tf.Scalar {
  return tf.div(tf.sum(perToken), tf.maximum(totalTokens, 1));
}

/** Sum divided by a constant, completions x longest possible answer: no bias from length at all (Dr. GRPO). */
export function sumOverConstant(
  perToken: tf.Tensor2D,
  { totalCompletions, maxNewTokens }: PolicyLossInputs,
): tf.Scalar {
  return tf.div(tf.sum(perToken), tf.mul(totalCompletions, maxNewTokens));
}
