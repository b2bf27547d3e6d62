export { resizeImage, type ResizeFilter, type ResizeTarget } from "@vlmr1/core";
export { concat, filter, map, shuffled, split, take } from "./dataset/arrange.ts";
export {
  withSubstitutes,
  type LoadedDataset,
  type LoaderOptions,
  type SkippedSamples,
  type SubstituteOptions,
} from "./dataset/bad-samples.ts";
export { mix, type MixPart } from "./dataset/arrange.ts";
export { stream, type StreamedSample, type StreamOptions } from "./dataset/arrange.ts";
export type { PickleValue } from "./pickle/machine.ts";
export { readPickle } from "./pickle/read-pickle.ts";
export { writePickle, type Picklable } from "./pickle/write-pickle.ts";
export { openTable } from "./tables/open-table.ts";
export type { TableFile, TableRow } from "./tables/open-table.ts";
export { loadImage, type LoadImageOptions } from "./images/load-image.ts";
export {
  answerAsBox,
  answerAsBoxIn,
  answerAsObjects,
  answerAsObjectsIn,
  answerAsText,
  type AnswerReader,
  type ObjectsAnswer,
  type TargetOfImages,
} from "./records/answers.ts";
export type { CocoFileOptions, CocoObject } from "./loaders/coco-images.ts";
export { cocoDetection, type CocoDataset, type CocoOptions, type CocoTarget } from "./loaders/detection.ts";
export { conversations, type ConversationOptions } from "./loaders/conversations.ts";
export { huggingFace, type HuggingFaceOptions } from "./loaders/hugging-face.ts";
export { openVocabulary, type NamedObjectsTarget, type OpenVocabularyOptions } from "./loaders/detection.ts";
export { ovdEval, type OvdEvalOptions } from "./loaders/detection.ts";
export { r1v, type R1vOptions } from "./loaders/problems.ts";
export { reasonSeg, type ReasonSegOptions, type ReasonSegTarget } from "./loaders/reason-seg.ts";
export { refCocoTable, type RefCocoTableOptions, type RefCocoTableTarget } from "./loaders/hugging-face.ts";
export { refCoco, type RefCocoOptions, type RefCocoTarget } from "./loaders/refcoco.ts";
export type { Segmentation } from "./loaders/coco-file.ts";
export { publishedSample, vlmR1Evaluation, type VlmR1EvaluationOptions } from "./loaders/problems.ts";
export { vlmR1Jsonl, type VlmR1File, type VlmR1Options, type VlmR1Row } from "./loaders/conversations.ts";
export type { ProblemRow } from "./loaders/problems.ts";
export { vlmR1Yaml, type VlmR1YamlOptions } from "./loaders/problems.ts";
export { preview, type Preview, type PreviewOptions } from "./preview/preview.ts";
export {
  detectionQuestion,
  detectionQuestionInTags,
  jsonAnswerTemplate,
  odinwQuestion,
  odLengthTemplate,
  plainTemplate,
  r1vTemplate,
  recBaselineTemplate,
  recQuestion,
  recTemplate,
  thinkTemplate,
  visualRftDetectionQuestion,
  type PromptTemplate,
} from "./prompts.ts";
export { boxText } from "./scenes/questions.ts";
export { drawScenes, type SceneOptions } from "./scenes/draw-scenes.ts";
export type { ExpressionKind } from "./scenes/expressions.ts";
export type { Ground } from "./scenes/paint.ts";
export {
  defaultColors,
  defaultIcons,
  fluentEmoji,
  type SceneColor,
  type SceneIcon,
} from "./scenes/sprites.ts";
export type { DrawingStyle } from "./scenes/paint.ts";
export type { SceneTargets, SceneTask } from "./scenes/questions.ts";
export { nanoRecipe, sceneSplits, type SceneSplit } from "./scenes/draw-scenes.ts";
export type { Scene, SceneObject } from "./scenes/layout.ts";
export {
  writeScenes,
  type WritableTarget,
  type WriteScenesOptions,
  type WrittenScenes,
} from "./scenes/write-scenes.ts";
