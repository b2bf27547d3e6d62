export {
  accuracyAt,
  boxCiou,
  boxDiou,
  boxGiou,
  boxIou,
  centerAccuracy,
  greedyMatches,
  greedyPrecisionRecall,
  groundingScores,
  meanIou,
  overlapMatrix,
  type AccuracyOptions,
  type BoxOverlap,
  type DetectionPair,
  type GreedyScores,
  type GroundingPair,
  type GroundingScores,
  type LabelledBox,
} from "./boxes.ts";
export {
  bootstrapCoco,
  cocoSummaryText,
  evaluateCoco,
  evaluateNmsAp,
  type CocoBootstrapOptions,
  type CocoCategoryResult,
  type CocoEvaluation,
  type CocoOptions,
  type NmsApEvaluation,
} from "./coco/average-precision.ts";
export { recallLevels, type CocoCurves, type CocoSummary, type CurveAxes } from "./coco/curves.ts";
export type { AreaRange } from "./coco/match.ts";
export type { IouType } from "./coco/overlap.ts";
export type {
  AnnotationTable,
  CocoAnnotation,
  CocoCategory,
  CocoFile,
  CocoId,
  CocoImage,
  CocoResult,
  ResultTable,
} from "./coco/tables.ts";
export {
  detectionsToMarkdown,
  evaluateDetections,
  type DetectedImage,
  type DetectedObject,
  type DetectionEvaluation,
  type DetectionOptions,
  type TrueObject,
} from "./detections.ts";
export {
  evaluate,
  type EvaluateOptions,
  type EvaluationReport,
  type EvaluationRow,
  type LeftOutSample,
  type PassAt,
  type ScoredCompletion,
} from "./evaluate.ts";
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
} from "./mask/rle.ts";
export { reportToJson, reportToMarkdown, type MarkdownOptions } from "./report.ts";
export {
  bootstrapMean,
  breakDown,
  passAtK,
  reasoningAccuracy,
  sameAnswer,
  type BootstrapOptions,
  type GroupValue,
  type MeanInterval,
  type ReasoningPair,
  type ReasoningScores,
} from "./statistics.ts";
