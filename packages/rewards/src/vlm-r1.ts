export {
  allMatchReward,
  defaultAccuracyReward,
  mathReward,
  numericReward,
  extractChoice,
  mcqReward,
  yesNoReward,
  cleanText,
} from "./published/answers.ts";
export {
  detectionScore,
  mapReward,
  odAp50Reward,
  odLengthReward,
  odReward,
  weightedSumReward,
} from "./published/detection.ts";
export {
  formatReward,
  formatRewardRec,
  formatRewardRecGlm,
  formatRewardRecInternVl,
  iou,
  iouReward,
  iouRewardGlm,
  type Rescaling,
} from "./published/grounding.ts";
export {
  cosineReward,
  llmReward,
  published,
  publishedAccuracy,
  publishedCosine,
  publishedIou,
  type PublishedRule,
  type RowTarget,
  type SolutionTarget,
} from "./published/published-reward.ts";
export { repetitionReward } from "./published/repetition.ts";
// The fixed twins, beside what they fix.
export { iouReward as fixedIouReward } from "./grounding.ts";
export {
  ap50Reward as fixedAp50Reward,
  mapReward as fixedMapReward,
  odLengthReward as fixedOdLengthReward,
} from "./detection/average-precision.ts";
export { matchingReward as fixedWeightedSumReward } from "./detection/matching.ts";
export { judgeReward as fixedLlmReward } from "./judge.ts";
export { readChoice as fixedExtractChoice } from "./read/choices.ts";
export { choiceReward as fixedMcqReward, yesNoReward as fixedYesNoReward } from "./reasoning/answers.ts";
export { mathReward as fixedMathReward } from "./reasoning/math.ts";
export { numericReward as fixedNumericReward } from "./reasoning/answers.ts";
export { allMatchReward as fixedAllMatchReward } from "./reasoning/answers.ts";
export { formatReward as fixedFormatReward } from "./shape/format.ts";
export { cosineLengthReward as fixedCosineReward } from "./shape/format.ts";
export {
  boxRepetitionReward as fixedBoxRepetitionReward,
  repetitionReward as fixedRepetitionReward,
} from "./shape/repetition.ts";
