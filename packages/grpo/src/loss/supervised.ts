import * as tf from "@tensorflow/tfjs-core";
import { maskedMean, maskedSum } from "./terms.ts";
import type { PolicyLoss } from "@vlmr1/policy";

/**
 * Negative log-likelihood of the given answers: supervised fine-tuning, one mean over all tokens of the optimizer step.
 *
 *     L = -1/N sum_it log pi(o_it)
 */
export function supervisedLoss(): PolicyLoss {
  return {
    key: "supervised",
    needs: { entropies: false, reference: false },
    compute: ({ logProbs, mask, totalTokens }) => ({
      loss: tf.neg(tf.div(maskedSum(logProbs, mask), tf.maximum(totalTokens, 1))) as tf.Scalar,
      metrics: { tokenProbability: maskedMean(tf.exp(logProbs), mask) },
    }),
  };
}
