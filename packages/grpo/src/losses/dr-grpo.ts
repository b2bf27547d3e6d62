import type { z } from "zod";
import { sumOverConstant } from "../aggregation.ts";
import { clippedSurrogate } from "../clipped-surrogate.ts";
import { composeLoss } from "../compose-loss.ts";
import { ClippedLossOptions } from "../loss-options.ts";
import { parseOptions } from "../parse-options.ts";
import type { PolicyLoss } from "@vlmr1/policy";

/**
 * GRPO "done right": the sum over tokens divided by a constant, which removes the preference for long wrong answers.
 * Use it with advantages of `scale: "none"`. Liu et al., "Understanding R1-Zero-Like Training", arXiv:2503.20783, section 3.2.
 */
export function drGrpoLoss(options: z.input<typeof ClippedLossOptions> = {}): PolicyLoss {
  const parsed = parseOptions(ClippedLossOptions, options, "drGrpoLoss options");
  return composeLoss({
    name: "dr-grpo",
    options: parsed,
    ratioLevel: parsed.ratioLevel,
    surrogate: clippedSurrogate(parsed),
    aggregate: sumOverConstant,
  });
}
