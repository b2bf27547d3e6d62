export type { AnnotationTable } from "./annotation-table.ts";
export { bootstrapMean, type BootstrapOptions, type MeanInterval } from "./bootstrap.ts";
export { boxCiou, boxDiou, boxGiou, boxIou, overlapMatrix, type BoxOverlap } from "./box-overlap.ts";
export { breakDown, type GroupValue } from "./break-down.ts";
export { recallLevels, type CocoCurves, type CurveAxes } from "./coco-curves.ts";
export type { CocoAnnotation, CocoCategory, CocoFile, CocoImage, CocoResult } from "./coco-format.ts";
export type { AreaRange } from "./coco-match.ts";
export type { IouType } from "./coco-overlap.ts";
export {
  evaluateCocoFiles,
  readCocoAnnotations,
  readCocoResults,
  type CocoReadOptions,
} from "./coco-read.ts";
export type { CocoSummary } from "./coco-summary.ts";
export { cocoSummaryText } from "./coco-text.ts";
export { evaluateCoco, type CocoCategoryResult, type CocoEvaluation, type CocoOptions } from "./coco.ts";
export {
  evaluate,
  type EvaluateOptions,
  type EvaluationReport,
  type EvaluationRow,
  type ScoredCompletion,
} from "./evaluate.ts";
export {
  greedyMatches,
  greedyPrecisionRecall,
  type DetectionPair,
  type GreedyScores,
  type LabelledBox,
} from "./greedy-match.ts";
export {
  accuracyAt,
  centerAccuracy,
  groundingScores,
  meanIou,
  type AccuracyOptions,
  type GroundingPair,
  type GroundingScores,
} from "./grounding.ts";
export { evaluateNmsAp, type NmsApEvaluation } from "./nms-ap.ts";
export {
  reasoningAccuracy,
  sameAnswer,
  type ReasoningPair,
  type ReasoningScores,
} from "./reasoning-accuracy.ts";
export { reportToJson, reportToMarkdown, type MarkdownOptions } from "./report.ts";
export type { ResultTable } from "./result-table.ts";
export {
  decodeRle,
  encodeMask,
  mergeRles,
  rleArea,
  rleFromPolygon,
  rleFromSegmentation,
  rleFromXywh,
  rleIou,
  rleToXywh,
  type CompressedRle,
  type Rle,
  type Segmentation,
} from "./rle.ts";
