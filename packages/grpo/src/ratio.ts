import * as tf from "@tensorflow/tfjs";
import { clampExponent } from "./kl.ts";
import { countedTokens } from "./masked.ts";
import type { PolicyLossInputs } from "@vlmr1/policy";

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
