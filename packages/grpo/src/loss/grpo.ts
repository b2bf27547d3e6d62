import { ClippedLossOptions, clippedSurrogate } from "./clipped.ts";
import { defineLoss } from "./compose.ts";
import { meanOfCompletionMeans } from "./terms.ts";

/**
 * Group Relative Policy Optimization, as published and as VLM-R1 trains:
 *
 *     L = 1/B sum_i 1/|o_i| sum_t [ -min(r A_i, clip(r, 1-eps, 1+eps) A_i) + beta KL_it ]
 *
 * DeepSeekMath, arXiv:2402.03300, eq. 3; VLM-R1, arXiv:2504.07615.
 */
export const grpoLoss = defineLoss("grpo", ClippedLossOptions, (options) => ({
  ratioLevel: options.ratioLevel,
  surrogate: clippedSurrogate(options),
  aggregate: meanOfCompletionMeans,
}));
