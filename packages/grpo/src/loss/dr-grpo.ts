import { ClippedLossOptions, clippedSurrogate } from "./clipped.ts";
import { defineLoss } from "./compose.ts";
import { sumOverConstant } from "./terms.ts";

/**
 * GRPO "done right": the sum over tokens divided by a constant, which removes the preference for long wrong answers.
 * Use it with advantages of `scale: "none"`. Liu et al., "Understanding R1-Zero-Like Training", arXiv:2503.20783, section 3.2.
 */
export const drGrpoLoss = defineLoss("dr-grpo", ClippedLossOptions, (options) => ({
  ratioLevel: options.ratioLevel,
  surrogate: clippedSurrogate(options),
  aggregate: sumOverConstant,
}));
