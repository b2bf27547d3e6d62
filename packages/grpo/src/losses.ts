/* The losses and what they are made of, without the trainer: pure functions of tensors, which bundle for browsers. */
export { ClippedLossOptions, clippedSurrogate } from "./loss/clipped.ts";
export {
  composeLoss,
  defineLoss,
  LossOptions,
  type LossRecipe,
  type SurrogateInputs,
} from "./loss/compose.ts";
export { losses } from "./loss/losses.ts";
export { supervisedLoss } from "./loss/supervised.ts";
export {
  detached,
  importanceRatio,
  klDivergence,
  logRatio,
  maskedMean,
  maskedSum,
  meanOfAllTokens,
  meanOfCompletionMeans,
  meanOfCompletionSums,
  meanOfMicroBatchTokens,
  offPolicyMask,
  SamplerCorrection,
  samplerWeights,
  sumOverConstant,
  topEntropyMask,
  type KlEstimator,
  type RatioLevel,
} from "./loss/terms.ts";
export * from "./loss/variants.ts";
