import type { z } from "zod";
import { meanOfCompletionSums } from "../aggregation.ts";
import { clippedSurrogate } from "../clipped-surrogate.ts";
import { composeLoss } from "../compose-loss.ts";
import { ClippedLossOptions } from "../loss-options.ts";
import { parseOptions } from "../parse-options.ts";
import type { PolicyLoss } from "@vlmr1/policy";

/**
 * Length-unbiased sequence policy optimization: GSPO whose sequence term is multiplied by the length of the completion; meant for
 * `ratioLevel: "sequence"`. LUSPO, arXiv:2602.05261; equal to TRL's `luspo`.
 */
export function luspoLoss(options: z.input<typeof ClippedLossOptions> = {}): PolicyLoss {
  const parsed = parseOptions(ClippedLossOptions, options, "luspoLoss options");
  return composeLoss({
    name: "luspo",
    options: parsed,
    ratioLevel: parsed.ratioLevel,
    surrogate: clippedSurrogate(parsed),
    aggregate: meanOfCompletionSums,
  });
}
