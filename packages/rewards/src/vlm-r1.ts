export { allMatchReward, defaultAccuracyReward, mathReward, numericReward } from "./published/accuracy.ts";
export { extractChoice, mcqReward, yesNoReward } from "./published/choice.ts";
export { cleanText } from "./published/clean-text.ts";
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
} from "./published/format.ts";
export { iou, iouReward, iouRewardGlm, type Rescaling } from "./published/iou.ts";
export { cosineReward } from "./published/length.ts";
export { llmReward } from "./published/llm.ts";
export {
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
export { iouReward as fixedIouReward } from "./grounding/iou.ts";
export {
  ap50Reward as fixedAp50Reward,
  mapReward as fixedMapReward,
  odLengthReward as fixedOdLengthReward,
} from "./detection/map.ts";
export { matchingReward as fixedWeightedSumReward } from "./detection/matching.ts";
export { judgeReward as fixedLlmReward } from "./judge/judge.ts";
export { readChoice as fixedExtractChoice } from "./read/choices.ts";
export { choiceReward as fixedMcqReward, yesNoReward as fixedYesNoReward } from "./reasoning/choice.ts";
export { mathReward as fixedMathReward } from "./reasoning/math.ts";
export { numericReward as fixedNumericReward } from "./reasoning/numeric.ts";
export { allMatchReward as fixedAllMatchReward } from "./reasoning/text.ts";
export { formatReward as fixedFormatReward } from "./shape/format.ts";
export { cosineLengthReward as fixedCosineReward } from "./shape/length.ts";
export {
  boxRepetitionReward as fixedBoxRepetitionReward,
  repetitionReward as fixedRepetitionReward,
} from "./shape/repetition.ts";
