import * as tf from "@tensorflow/tfjs";
import type { SurrogateInputs } from "./compose-loss.ts";
import type { ClippedLossOptions } from "./loss-options.ts";
import { meanOver } from "./masked.ts";

/**
 * PPO's pessimistic bound, -min(r A, clip(r, 1 - low, 1 + high) A), with an optional cap `delta` on the unclipped ratio.
 *
 * At a tie (r = 1, on-policy) `minimum` passes the gradient of the unclipped branch, so the full policy gradient flows.
 * Metrics: the fraction of tokens (completions, when the ratio is theirs) that hit the lower bound, the upper bound, either.
 * Source: PPO, arXiv:1707.06347, eq. 7; clip-higher: DAPO, arXiv:2503.14476, eq. 10; delta: INTELLECT-2, arXiv:2505.07291.
 */
export function clippedSurrogate({ clipLow, clipHigh, delta }: ClippedLossOptions) {
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
