import { ClippedLossOptions, clippedSurrogate } from "./clipped.ts";
import { defineLoss } from "./compose.ts";
import { meanOfAllTokens } from "./terms.ts";

/**
 * Decoupled clip and dynamic sampling: GRPO with one mean over all tokens of the optimizer step. The paper adds `clipHigh: 0.28`,
 * `beta: 0`, resampling of groups without variance and overlong filtering, which are options of loss and trainer.
 * DAPO, arXiv:2503.14476, eq. 8.
 */
export const dapoLoss = defineLoss("dapo", ClippedLossOptions, (options) => ({
  ratioLevel: options.ratioLevel,
  surrogate: clippedSurrogate(options),
  aggregate: meanOfAllTokens,
}));
