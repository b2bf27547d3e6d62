import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import { activeReplicas } from "../graph/recording.ts";
import { callSite } from "../record/call-site.ts";
import { allGatherKernel, allSumKernel } from "../record/record-backend.ts";

/**
 * The sum of `x` over the processors that compute together, the same on each: an all-reduce. `x` itself where there is one processor, and
 * outside compiled functions. Differentiate first and sum the gradients: it has no gradient of its own.
 */
export function allSum<T extends tf.Tensor>(x: T): T {
  return activeReplicas() === 1 ? x : (tf.engine().runKernel(allSumKernel, { x }) as T);
}

/**
 * `x` of every processor one after another along the first axis, the same on each: what each computed for its part of an argument in
 * `split`. `x` itself where there is one processor, and outside compiled functions. It has no gradient.
 *
 * @throws VlmR1Error `invalid-argument` for a scalar.
 */
export function allGather<T extends tf.Tensor>(x: T): T {
  if (x.rank === 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `allGather needs a first axis to join along; got a scalar (${callSite()}). Use allSum, or reshape it to [1].`,
    );
  }
  return activeReplicas() === 1 ? x : (tf.engine().runKernel(allGatherKernel, { x }) as T);
}
