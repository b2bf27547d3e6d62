export {
  groupAdvantages,
  normalizeThenSum,
  sumThenNormalize,
  type AdvantageOptions,
  type Advantages,
} from "./advantages.ts";
export { readCheckpoint, writeCheckpoint, type Checkpoint } from "./checkpoint.ts";
export { openCheckpointStore, type CheckpointStore } from "./checkpoint-store.ts";
export { completionMasks, tokenMask, type CompletionMasks } from "./completion-mask.ts";
export { GrpoConfig } from "./config.ts";
export { finetune, type FinetuneOptions } from "./finetune.ts";
export { clipFactor, globalNorm } from "./gradient-norm.ts";
export { checkGuards, defaultGuards, Guard, type GuardEvent, type GuardMemory } from "./guards.ts";
export { measureRewards, type MeasureOptions } from "./measure-rewards.ts";
export { matchesPattern } from "./name-pattern.ts";
export type {
  AccumulateReport,
  ApplyReport,
  CompletionGroup,
  Optimizer,
  OptimizerInputs,
  OptimizerState,
  ParameterLayout,
  ParameterSpan,
  Policy,
  PolicyLoss,
  PolicyLossInputs,
  PolicyState,
  TrainingBatch,
  TrainingGroup,
} from "@vlmr1/policy";
export type { Progress, PromptRecord } from "./progress.ts";
export { createPromptChooser, type PromptChooser, type PromptWeight } from "./prompts.ts";
export { createRemoteSampler, RemoteSamplerOptions, type RemoteSampler } from "./remote-sampler.ts";
export type { RunEnding, RunSummary, ScoredGroup, StepReport, StepSeconds } from "./report.ts";
export { RunOptions } from "./run-options.ts";
export type { RunSettings, StepOutcome } from "./run.ts";
export { scoreGroups } from "./score.ts";
export { SftConfig } from "./sft-config.ts";
export { grpoStep, type GrpoTools } from "./step.ts";
export { train, type TrainOptions } from "./train.ts";
export { optimizerUpdate, type UpdateOutcome, type UpdateTools } from "./update.ts";

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
export { AdamOptions } from "./optimizer/adam.ts";
export { MuonOptions, orthogonalized } from "./optimizer/muon.ts";
export { optimizers } from "./optimizer/optimizers.ts";
export { ParameterOptions } from "./optimizer/parameters.ts";
export {
  constantSchedule,
  cosineRestartsSchedule,
  cosineSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  plateauSchedule,
  polynomialSchedule,
  scheduleFrom,
  ScheduleOptions,
  type Schedule,
  type SchedulePhases,
} from "./optimizer/schedule.ts";
export { SgdOptions } from "./optimizer/sgd.ts";
export * from "./optimizer/variants.ts";
export type { Variant } from "./variant.ts";
