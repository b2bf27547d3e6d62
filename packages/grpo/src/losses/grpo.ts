import type { z } from "zod";
import { meanOfCompletionMeans } from "../aggregation.ts";
import { clippedSurrogate } from "../clipped-surrogate.ts";
import { composeLoss } from "../compose-loss.ts";
import { ClippedLossOptions } from "../loss-options.ts";
import { parseOptions } from "../parse-options.ts";
import type { PolicyLoss } from "@vlmr1/policy";

/**
 * Group Relative Policy Optimization, as published and as VLM-R1 trains:
 *
 *     L = 1/B sum_i 1/|o_i| sum_t [ -min(r A_i, clip(r, 1-eps, 1+eps) A_i) + beta KL_it ]
 *
 * DeepSeekMath, arXiv:2402.03300, eq. 3; VLM-R1, arXiv:2504.07615.
 */
export function grpoLoss(options: z.input<typeof ClippedLossOptions> = {}): PolicyLoss {
  const parsed = parseOptions(ClippedLossOptions, options, "grpoLoss options");
  return composeLoss({
    name: "grpo",
    options: parsed,
    ratioLevel: parsed.ratioLevel,
    surrogate: clippedSurrogate(parsed),
    aggregate: meanOfCompletionMeans,
  });
}
