import type { z } from "zod";
import { meanOfAllTokens } from "../aggregation.ts";
import { clippedSurrogate } from "../clipped-surrogate.ts";
import { composeLoss } from "../compose-loss.ts";
import { ClippedLossOptions } from "../loss-options.ts";
import { parseOptions } from "../parse-options.ts";
import type { PolicyLoss } from "@vlmr1/policy";

/**
 * Decoupled clip and dynamic sampling: GRPO with one mean over all tokens of the optimizer step. The paper adds `clipHigh: 0.28`,
 * `beta: 0`, resampling of groups without variance and overlong filtering, which are options of loss and trainer.
 * DAPO, arXiv:2503.14476, eq. 8.
 */
export function dapoLoss(options: z.input<typeof ClippedLossOptions> = {}): PolicyLoss {
  const parsed = parseOptions(ClippedLossOptions, options, "dapoLoss options");
  return composeLoss({
    name: "dapo",
    options: parsed,
    ratioLevel: parsed.ratioLevel,
    surrogate: clippedSurrogate(parsed),
    aggregate: meanOfAllTokens,
  });
}
