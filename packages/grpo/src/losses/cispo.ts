import * as tf from "@tensorflow/tfjs";
import { z } from "zod";
import { meanOfAllTokens } from "../aggregation.ts";
import { composeLoss } from "../compose-loss.ts";
import { detached } from "../detached.ts";
import { LossOptions } from "../loss-options.ts";
import { meanOver } from "../masked.ts";
import { parseOptions } from "../parse-options.ts";
import type { PolicyLoss } from "@vlmr1/policy";

const CispoOptions = LossOptions.extend({
  beta: LossOptions.shape.beta.unwrap().default(0),
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
export function cispoLoss(options: z.input<typeof CispoOptions> = {}): PolicyLoss {
  const parsed = parseOptions(CispoOptions, options, "cispoLoss options");
  return composeLoss({
    name: "cispo",
    options: parsed,
    ratioLevel: parsed.ratioLevel,
    surrogate: ({ ratio, advantage, logProbs, mask }) => {
      const weight = detached((r) => tf.minimum(r, parsed.maxRatio), ratio);
      const capped = tf.logicalAnd(tf.greater(ratio, parsed.maxRatio), tf.greater(advantage, 0));
      return {
        perToken: tf.neg(tf.mul(tf.mul(weight, advantage), logProbs)) as tf.Tensor2D,
        metrics: { clipFraction: meanOver(tf.cast(capped, "float32") as tf.Tensor2D, mask) },
      };
    },
    aggregate: meanOfAllTokens,
  });
}
