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
export { readCheckpoint, writeCheckpoint, type Checkpoint } from "./checkpoint.ts";
export { openCheckpointStore, type CheckpointStore } from "./checkpoint-store.ts";
export { completionMasks, tokenMask, type CompletionMasks } from "./completion-mask.ts";
export { composeLoss, type LossRecipe, type SurrogateInputs } from "./compose-loss.ts";
export { GrpoConfig } from "./config.ts";
export { detached } from "./detached.ts";
export { finetune, type FinetuneOptions } from "./finetune.ts";
export { clipFactor, globalNorm } from "./gradient-norm.ts";
export { checkGuards, defaultGuards, Guard, type GuardEvent, type GuardMemory } from "./guards.ts";
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
export { measureRewards, type MeasureOptions } from "./measure-rewards.ts";
export { matchesPattern } from "./name-pattern.ts";
export { adam, AdamOptions, adamW } from "./optimizers/adam.ts";
export { muon, MuonOptions, orthogonalized } from "./optimizers/muon.ts";
export { sgd, SgdOptions } from "./optimizers/sgd.ts";
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
export { ParameterOptions } from "./parameter-options.ts";
export type { Progress, PromptRecord } from "./progress.ts";
export { createPromptChooser, type PromptChooser, type PromptWeight } from "./prompts.ts";
export { importanceRatio, logRatio, type RatioLevel } from "./ratio.ts";
export { createRemoteSampler, RemoteSamplerOptions, type RemoteSampler } from "./remote-sampler.ts";
export type { RunEnding, RunSummary, ScoredGroup, StepReport, StepSeconds } from "./report.ts";
export { RunOptions } from "./run-options.ts";
export type { RunSettings, StepOutcome } from "./run.ts";
export { SamplerCorrection, samplerWeights } from "./sampler-correction.ts";
export { ScheduleOptions, scheduleFrom } from "./schedule-options.ts";
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
export { scoreGroups } from "./score.ts";
export { SftConfig } from "./sft-config.ts";
export { grpoStep, type GrpoTools } from "./step.ts";
export { offPolicyMask, topEntropyMask } from "./token-masks.ts";
export { train, type TrainOptions } from "./train.ts";
export { optimizerUpdate, type UpdateOutcome, type UpdateTools } from "./update.ts";
