import * as tf from "@tensorflow/tfjs";
import { countedTokens } from "./masked.ts";
import type { PolicyLossInputs } from "@vlmr1/policy";

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
