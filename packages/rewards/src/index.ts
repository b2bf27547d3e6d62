export { audit, auditTable, type AuditOptions, type AuditRow } from "./audit/audit.ts";
export { answerExploits } from "./audit/answer-exploits.ts";
export { detectionExploits } from "./audit/detection-exploits.ts";
export type { Exploit, ExploitSet } from "./audit/exploit.ts";
export { groundingExploits } from "./audit/grounding-exploits.ts";
export { clip } from "./combine/clip.ts";
export { gate, type GateOptions } from "./combine/gate.ts";
export { ramp, schedule, type Stages, type StepValue } from "./combine/schedule.ts";
export { weightedSum, type TargetOf, type WeightedReward } from "./combine/weighted-sum.ts";
export { hungarianF1Reward, type HungarianF1Options } from "./detection/hungarian-f1.ts";
export { ap50Reward, mapReward, odLengthReward } from "./detection/map.ts";
export { matchingReward, type MatchingOptions } from "./detection/matching.ts";
export {
  progressivePrecisionReward,
  progressiveRecallReward,
  progressiveReward,
  type ProgressiveOptions,
} from "./detection/vision-r1.ts";
export { confidenceReward, matchedIouReward, type VisualRftOptions } from "./detection/visual-rft.ts";
export type { ObjectReading } from "./detection/written-objects.ts";
export {
  ciouReward,
  diouReward,
  giouBelow,
  giouReward,
  iouAtLeast,
  iouReward,
  type OverlapReading,
} from "./grounding/iou.ts";
export { centerDistanceReward, pointInBox, type PointReading } from "./grounding/point.ts";
export type { BoxReading } from "./grounding/written-box.ts";
export { createChatClient, type ChatClient, type ChatMessage, type ChatServer } from "./judge/chat-client.ts";
export { judgeReward, type JudgeOptions, type VerdictCache } from "./judge/judge.ts";
export { readBoxes, readDetections, type Detection } from "./read/boxes.ts";
export { readPointedAt, readPoints, type WrittenBox, type WrittenPoint } from "./read/prose.ts";
export type { FrameReading } from "./read/frames.ts";
export { readFences, readJson, type Fence } from "./read/json.ts";
export { readAnswer, readSpan, readSpans, readThought, type Span, type Which } from "./read/spans.ts";
export { choiceReward, yesNoReward } from "./reasoning/choice.ts";
export { levenshteinRatio } from "./reasoning/levenshtein-ratio.ts";
export { mathEqual, mathReward, type MathOptions } from "./reasoning/math.ts";
export { countReward, numericReward, type CountOptions, type Tolerance } from "./reasoning/numeric.ts";
export { readChoice, readYesNo } from "./read/choices.ts";
export { readCount } from "./read/counts.ts";
export { readNumber } from "./read/numbers.ts";
export {
  allMatchReward,
  exactReward,
  patternReward,
  similarityReward,
  type AnswerReading,
  type PatternOptions,
} from "./reasoning/text.ts";
export { formatReward, tagCountReward, taggedPartsReward, type FormatVariant } from "./shape/format.ts";
export { cosineLengthReward, softOverlongReward, type CosineLength } from "./shape/length.ts";
export { boxRepetitionReward, repetitionReward } from "./shape/repetition.ts";
export type { AnswerTarget, BoxTarget, LabelledBox, ObjectsTarget, PointTarget } from "./target.ts";
