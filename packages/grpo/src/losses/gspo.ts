import { z } from "zod";
import { meanOfCompletionMeans } from "../aggregation.ts";
import { clippedSurrogate } from "../clipped-surrogate.ts";
import { composeLoss } from "../compose-loss.ts";
import { ClippedLossOptions } from "../loss-options.ts";
import { parseOptions } from "../parse-options.ts";
import type { PolicyLoss } from "@vlmr1/policy";

/** GSPO's own ranges: a ratio of sequences moves a hundred times less than one of tokens. */
const GspoOptions = ClippedLossOptions.omit({ ratioLevel: true }).extend({
  beta: ClippedLossOptions.shape.beta.unwrap().default(0),
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
export function gspoLoss(options: z.input<typeof GspoOptions> = {}): PolicyLoss {
  const parsed = {
    ...parseOptions(GspoOptions, options, "gspoLoss options"),
    ratioLevel: "sequence" as const,
  };
  return composeLoss({
    name: "gspo",
    options: parsed,
    ratioLevel: "sequence",
    surrogate: clippedSurrogate(parsed),
    aggregate: meanOfCompletionMeans,
  });
}
