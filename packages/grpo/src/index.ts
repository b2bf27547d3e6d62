export { GrpoConfig, SftConfig } from "./config.ts";
export { finetune, type FinetuneOptions } from "./finetune.ts";
export { grpoStep, type GrpoTools } from "./step.ts";
export { train, type TrainOptions } from "./train.ts";
export { optimizerUpdate, type UpdateOutcome, type UpdateTools } from "./update.ts";
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
export * from "./losses.ts";
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
export {
  AdvantageOptions,
  computeAdvantages,
  groupAdvantages,
  normalizeThenSum,
  sumThenNormalize,
  type Advantages,
  type GroupOptions,
} from "./rollout/advantages.ts";
export { measureRewards, type MeasureOptions } from "./rollout/measure-rewards.ts";
export {
  createPromptChooser,
  type PromptChooser,
  type PromptProgress,
  type PromptRecord,
  type PromptWeight,
} from "./rollout/prompts.ts";
export { createRemoteSampler, RemoteSamplerOptions, type RemoteSampler } from "./rollout/remote-sampler.ts";
export { computeRewards, RolloutOptions, tokenMask, type RolloutGroup } from "./rollout/rollout.ts";
export {
  openCheckpointStore,
  readCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type CheckpointStore,
} from "./run/checkpoint.ts";
export { checkGuards, defaultGuards, Guard, type GuardEvent, type GuardMemory } from "./run/guards.ts";
export { checkMetricNames, finetuneMetrics, grpoMetrics } from "./run/metric-names.ts";
export type { Progress, RunEnding, RunSummary, StepReport, StepSeconds } from "./run/report.ts";
export { RunOptions, type RunSettings, type StepOutcome } from "./run/run.ts";
export { matchesPattern } from "@vlmr1/core";
export type { Variant } from "./variant.ts";
