export { audit, auditTable, type AuditOptions, type AuditRow } from "./audit/audit.ts";
export {
  answerExploits,
  detectionExploits,
  type Exploit,
  type ExploitSet,
  groundingExploits,
} from "./audit/exploits.ts";
export {
  clip,
  gate,
  type GateOptions,
  ramp,
  schedule,
  type Stages,
  type StepValue,
  weightedSum,
  type TargetOf,
  type WeightedReward,
} from "./combine.ts";
export {
  hungarianF1Reward,
  type HungarianF1Options,
  matchingReward,
  type MatchingOptions,
} from "./detection/matching.ts";
export { ap50Reward, mapReward, odLengthReward } from "./detection/average-precision.ts";
export {
  progressivePrecisionReward,
  progressiveRecallReward,
  progressiveReward,
  type ProgressiveOptions,
  confidenceReward,
  matchedIouReward,
  type VisualRftOptions,
} from "./detection/progressive.ts";
export type { ObjectReading } from "./detection/objects.ts";
export {
  ciouReward,
  diouReward,
  giouBelow,
  giouReward,
  iouAtLeast,
  iouReward,
  type OverlapReading,
  centerDistanceReward,
  pointInBox,
  type PointReading,
  type BoxReading,
} from "./grounding.ts";
export {
  createChatClient,
  type ChatClient,
  type ChatMessage,
  type ChatServer,
  judgeReward,
  type JudgeOptions,
  type VerdictCache,
} from "./judge.ts";
export { readBoxes, readDetections, type Detection } from "./read/boxes.ts";
export { readPointedAt, readPoints, type WrittenBox, type WrittenPoint } from "./read/prose.ts";
export type { FrameReading } from "./read/frames.ts";
export { readFences, readJson, type Fence } from "./read/json.ts";
export { readAnswer, readSpan, readSpans, readThought, type Span, type Which } from "./read/spans.ts";
export {
  choiceReward,
  yesNoReward,
  levenshteinRatio,
  countReward,
  numericReward,
  type CountOptions,
  type Tolerance,
  allMatchReward,
  exactReward,
  patternReward,
  similarityReward,
  type AnswerReading,
  type PatternOptions,
} from "./reasoning/answers.ts";
export { mathEqual, mathReward, type MathOptions } from "./reasoning/math.ts";
export { readChoice, readYesNo } from "./read/choices.ts";
export { readCount } from "./read/counts.ts";
export { readNumber } from "./read/numbers.ts";
export {
  formatReward,
  tagCountReward,
  taggedPartsReward,
  type FormatVariant,
  cosineLengthReward,
  softOverlongReward,
  type CosineLength,
} from "./shape/format.ts";
export { boxRepetitionReward, repetitionReward } from "./shape/repetition.ts";
export type { AnswerTarget, BoxTarget, LabelledBox, ObjectsTarget, PointTarget } from "./target.ts";
