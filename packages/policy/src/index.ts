export { clipFactor } from "./clip-factor.ts";
export type { NothingUnread } from "./nothing-unread.ts";
export type {
  Optimizer,
  OptimizerInputs,
  OptimizerState,
  ParameterLayout,
  ParameterSpan,
} from "./optimizer.ts";
export type { PolicyLoss, PolicyLossInputs } from "./policy-loss.ts";
export type {
  AccumulateReport,
  ApplyOptions,
  ApplyReport,
  CompletionGroup,
  Policy,
  PolicyState,
  TrainingBatch,
  TrainingGroup,
} from "./policy.ts";
