import { ClippedLossOptions, clippedSurrogate } from "./clipped.ts";
import { defineLoss } from "./compose.ts";
import { meanOfMicroBatchTokens } from "./terms.ts";

/**
 * GRPO with one mean over the tokens of a micro-batch in place of the mean of means: every token weighs the same.
 * Named so in TRL; the normalisation of Beta Normalization Policy Optimization, arXiv:2506.02864.
 */
export const bnpoLoss = defineLoss("bnpo", ClippedLossOptions, (options) => ({
  ratioLevel: options.ratioLevel,
  surrogate: clippedSurrogate(options),
  aggregate: meanOfMicroBatchTokens,
}));
