import { z } from "zod";
import { ClippedLossOptions, clippedSurrogate } from "./clipped.ts";
import { defineLoss, klWeight } from "./compose.ts";
import { meanOfCompletionMeans } from "./terms.ts";

/** GSPO's own ranges: a ratio of sequences moves a hundred times less than one of tokens. */
const GspoOptions = ClippedLossOptions.omit({ ratioLevel: true }).extend({
  beta: klWeight(0),
  clipLow: z.number().min(0).default(3e-4).describe("The ratio is clipped below 1 - clipLow."),
  clipHigh: z.number().min(0).default(4e-4).describe("The ratio is clipped above 1 + clipHigh."),
});

/**
 * Group Sequence Policy Optimization: one ratio a completion, the geometric mean of its tokens' ratios, clipped in a narrow range.
 *
 *     s_i = exp( 1/|o_i| sum_t log(pi / pi_old) ),   L = -1/B sum_i min(s_i A_i, clip(s_i) A_i)
 *
 * GSPO, arXiv:2507.18071, eq. 5 and 7.
 */
export const gspoLoss = defineLoss("gspo", GspoOptions, (options) => ({
  ratioLevel: "sequence",
  surrogate: clippedSurrogate(options),
  aggregate: meanOfCompletionMeans,
}));
