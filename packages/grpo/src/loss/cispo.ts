import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { defineLoss, klWeight, LossOptions } from "./compose.ts";
import { detached, meanOfAllTokens, meanOver } from "./terms.ts";

const CispoOptions = LossOptions.extend({
  beta: klWeight(0),
  maxRatio: z
    .number()
    .positive()
    .default(5)
    .describe("Cap of the importance weight itself (not 1 + something)."),
  ratioLevel: z
    .enum(["token", "sequence"])
    .default("token")
    .describe("One weight for each token or each completion."),
});

/**
 * Clipped importance-sampling-weight policy optimization: REINFORCE with a capped weight. No token is ever dropped, its weight
 * only stops growing, so rare tokens that start a change of mind keep their gradient.
 *
 *     L = -1/N sum_it  stop_gradient( min(r, maxRatio) )  A_i  log pi
 *
 * MiniMax-M1, arXiv:2506.13585, eq. 4-5. Metric: fraction of capped tokens with a positive advantage.
 */
export const cispoLoss = defineLoss("cispo", CispoOptions, (options) => ({
  ratioLevel: options.ratioLevel,
  surrogate: ({ ratio, advantage, logProbs, mask }) => {
    const weight = detached((r) => tf.minimum(r, options.maxRatio), ratio);
    const capped = tf.logicalAnd(tf.greater(ratio, options.maxRatio), tf.greater(advantage, 0));
    return {
      perToken: tf.neg(tf.mul(tf.mul(weight, advantage), logProbs)) as tf.Tensor2D,
      metrics: { clipFraction: meanOver(tf.cast(capped, "float32") as tf.Tensor2D, mask) },
    };
  },
  aggregate: meanOfAllTokens,
}));
