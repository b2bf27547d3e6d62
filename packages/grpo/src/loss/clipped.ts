import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { LossOptions, type SurrogateInputs } from "./compose.ts";
import { meanOver } from "./terms.ts";

/** Options of the losses that clip the importance ratio as PPO does. */
export const ClippedLossOptions = LossOptions.extend({
  clipLow: z.number().min(0).default(0.2).describe("The ratio is clipped below 1 - clipLow."),
  clipHigh: z.number().min(0).default(0.2).describe("The ratio is clipped above 1 + clipHigh (DAPO: 0.28)."),
  delta: z
    .number()
    .gt(1)
    .optional()
    .describe(
      "Cap of the ratio for bad answers, whose term is otherwise unbounded (two-sided clipping); absent: none.",
    ),
  ratioLevel: z
    .enum(["token", "sequence"])
    .default("token")
    .describe("One ratio for each token, or one for each completion (GSPO)."),
});
export type ClippedLossOptions = z.output<typeof ClippedLossOptions>;

/**
 * PPO's pessimistic bound, -min(r A, clip(r, 1 - low, 1 + high) A), with an optional cap `delta` on the unclipped ratio.
 *
 * At a tie (r = 1, on-policy) `minimum` passes the gradient of the unclipped branch, so the full policy gradient flows.
 * Metrics: the fraction of tokens (completions, when the ratio is theirs) that hit the lower bound, the upper bound, either.
 * Source: PPO, arXiv:1707.06347, eq. 7; clip-higher: DAPO, arXiv:2503.14476, eq. 10; delta: INTELLECT-2, arXiv:2505.07291.
 */
export function clippedSurrogate({
  clipLow,
  clipHigh,
  delta,
}: Pick<ClippedLossOptions, "clipLow" | "clipHigh" | "delta">) {
  return ({ ratio, advantage, mask }: SurrogateInputs) => {
    const clipped = tf.clipByValue(ratio, 1 - clipLow, 1 + clipHigh);
    const unclipped = delta === undefined ? ratio : tf.minimum(ratio, delta);
    const perToken = tf.neg(
      tf.minimum(tf.mul(unclipped, advantage), tf.mul(clipped, advantage)),
    ) as tf.Tensor2D;
    const low = tf.logicalAnd(tf.less(ratio, 1 - clipLow), tf.less(advantage, 0));
    const high = tf.logicalAnd(tf.greater(ratio, 1 + clipHigh), tf.greater(advantage, 0));
    const fraction = (hit: tf.Tensor) => meanOver(tf.cast(hit, "float32") as tf.Tensor2D, mask);
    return {
      perToken,
      metrics: {
        clipLow: fraction(low),
        clipHigh: fraction(high),
        clipFraction: fraction(tf.logicalOr(low, high)),
      },
    };
  };
}
