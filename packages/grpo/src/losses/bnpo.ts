import type { z } from "zod";
import { meanOfMicroBatchTokens } from "../aggregation.ts";
import { clippedSurrogate } from "../clipped-surrogate.ts";
import { composeLoss } from "../compose-loss.ts";
import { ClippedLossOptions } from "../loss-options.ts";
import { parseOptions } from "../parse-options.ts";
import type { PolicyLoss } from "@vlmr1/policy";

/**
 * GRPO with one mean over the tokens of a micro-batch in place of the mean of means: every token weighs the same.
 * Named so in TRL; the normalisation of Beta Normalization Policy Optimization, arXiv:2506.02864.
 */
export function bnpoLoss(options: z.input<typeof ClippedLossOptions> = {}): PolicyLoss {
  const parsed = parseOptions(ClippedLossOptions, options, "bnpoLoss options");
  return composeLoss({
    name: "bnpo",
    options: parsed,
    ratioLevel: parsed.ratioLevel,
    surrogate: clippedSurrogate(parsed),
    aggregate: meanOfMicroBatchTokens,
  });
}
