import { ClippedLossOptions, clippedSurrogate } from "./clipped.ts";
import { defineLoss } from "./compose.ts";
import { meanOfCompletionSums } from "./terms.ts";

/**
 * Length-unbiased sequence policy optimization: GSPO whose sequence term is multiplied by the length of the completion; meant for
 * `ratioLevel: "sequence"`. LUSPO, arXiv:2602.05261; equal to TRL's `luspo`.
 */
export const luspoLoss = defineLoss("luspo", ClippedLossOptions, (options) => ({
  ratioLevel: options.ratioLevel,
  surrogate: clippedSurrogate(options),
  aggregate: meanOfCompletionSums,
}));
