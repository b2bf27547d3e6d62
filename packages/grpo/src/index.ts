export {
  groupAdvantages,
  normalizeThenSum,
  sumThenNormalize,
  type AdvantageOptions,
  type Advantages,
} from "./advantages.ts";
export {
  meanOfAllTokens,
  meanOfCompletionMeans,
  meanOfCompletionSums,
  meanOfMicroBatchTokens,
  sumOverConstant,
} from "./aggregation.ts";
export { clippedSurrogate } from "./clipped-surrogate.ts";
export { completionMasks, tokenMask, type CompletionMasks } from "./completion-mask.ts";
export { composeLoss, type LossRecipe, type SurrogateInputs } from "./compose-loss.ts";
export { detached } from "./detached.ts";
export { clipFactor, globalNorm } from "./gradient-norm.ts";
export { klDivergence, type KlEstimator } from "./kl.ts";
export { ClippedLossOptions, LossOptions } from "./loss-options.ts";
export { bnpoLoss } from "./losses/bnpo.ts";
export { cispoLoss } from "./losses/cispo.ts";
export { dapoLoss } from "./losses/dapo.ts";
export { drGrpoLoss } from "./losses/dr-grpo.ts";
export { grpoLoss } from "./losses/grpo.ts";
export { gspoLoss } from "./losses/gspo.ts";
export { luspoLoss } from "./losses/luspo.ts";
export { sapoLoss } from "./losses/sapo.ts";
export { supervisedLoss } from "./losses/supervised.ts";
export { vespoLoss } from "./losses/vespo.ts";
export { maskedMean, maskedSum } from "./masked.ts";
export { matchesPattern } from "./name-pattern.ts";
export { adam, AdamOptions, adamW } from "./optimizers/adam.ts";
export { muon, MuonOptions, orthogonalized } from "./optimizers/muon.ts";
export { sgd, SgdOptions } from "./optimizers/sgd.ts";
export type {
  Optimizer,
  OptimizerInputs,
  OptimizerState,
  ParameterLayout,
  ParameterSlot,
} from "./optimizer.ts";
export { ParameterOptions } from "./parameter-options.ts";
export type {
  AccumulateReport,
  ApplyReport,
  CompletionGroup,
  Policy,
  PolicyState,
  TrainingBatch,
  TrainingGroup,
} from "./policy.ts";
export type { PolicyLoss, PolicyLossInputs } from "./policy-loss.ts";
export { importanceRatio, logRatio, type RatioLevel } from "./ratio.ts";
export { SamplerCorrection, samplerWeights } from "./sampler-correction.ts";
export {
  constantSchedule,
  cosineRestartsSchedule,
  cosineSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  plateauSchedule,
  polynomialSchedule,
  type Schedule,
  type SchedulePhases,
} from "./schedule.ts";
export { offPolicyMask, topEntropyMask } from "./token-masks.ts";
