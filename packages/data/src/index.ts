export { resizeImage, type ResizeFilter, type ResizeTarget } from "@vlmr1/core";
export { concat, filter, map, shuffled, split, take } from "./dataset/arrange.ts";
export type { BadSampleOptions, LoadedDataset, SkippedSamples } from "./dataset/bad-samples.ts";
export { mix, type MixPart } from "./dataset/mix.ts";
export { stream, type StreamedSample, type StreamOptions } from "./dataset/stream.ts";
export type { PickleValue } from "./formats/pickle-machine.ts";
export { readPickle } from "./formats/pickle-reader.ts";
export { writePickle, type Picklable } from "./formats/pickle-writer.ts";
export { openTable } from "./formats/table-folder.ts";
export type { TableFile, TableRow } from "./formats/table.ts";
export { loadImage, type LoadImageOptions } from "./image/load-image.ts";
export {
  answerAsBox,
  answerAsBoxIn,
  answerAsObjects,
  answerAsObjectsIn,
  answerAsText,
  type AnswerReader,
  type ObjectsAnswer,
  type TargetOfImages,
} from "./loaders/answers.ts";
export type { CocoFileOptions, CocoObject } from "./loaders/coco-images.ts";
export { cocoDetection, type CocoDataset, type CocoOptions, type CocoTarget } from "./loaders/coco.ts";
export { conversations, type ConversationOptions } from "./loaders/conversations.ts";
export { huggingFace, type HuggingFaceOptions } from "./loaders/hugging-face.ts";
export {
  openVocabulary,
  type NamedObjectsTarget,
  type OpenVocabularyOptions,
} from "./loaders/open-vocabulary.ts";
export { ovdEval, type OvdEvalOptions } from "./loaders/ovdeval.ts";
export { r1v, type R1vOptions } from "./loaders/r1v.ts";
export { reasonSeg, type ReasonSegOptions, type ReasonSegTarget } from "./loaders/reason-seg.ts";
export { refCocoTable, type RefCocoTableOptions, type RefCocoTableTarget } from "./loaders/refcoco-table.ts";
export { refCoco, type RefCocoOptions, type RefCocoTarget } from "./loaders/refcoco.ts";
export type { Segmentation } from "./loaders/segmentation.ts";
export {
  publishedSample,
  vlmR1Evaluation,
  type VlmR1EvaluationOptions,
} from "./loaders/vlm-r1-evaluation.ts";
export { vlmR1Jsonl, type VlmR1File, type VlmR1Options, type VlmR1Row } from "./loaders/vlm-r1-jsonl.ts";
export type { ProblemRow } from "./loaders/vlm-r1-problems.ts";
export { vlmR1Yaml, type VlmR1YamlOptions } from "./loaders/vlm-r1-yaml.ts";
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
export { boxText } from "./scenes/answer-text.ts";
export { drawScenes, type SceneOptions } from "./scenes/draw-scenes.ts";
export type { ExpressionKind } from "./scenes/expression.ts";
export type { Ground } from "./scenes/ground.ts";
export { defaultColors, defaultIcons, fluentEmoji, type SceneColor, type SceneIcon } from "./scenes/icons.ts";
export type { DrawingStyle } from "./scenes/paint.ts";
export type { SceneTargets, SceneTask } from "./scenes/question.ts";
export { nanoRecipe, sceneSplits, type SceneSplit } from "./scenes/scene-splits.ts";
export type { Scene, SceneObject } from "./scenes/scene.ts";
export {
  writeScenes,
  type WritableTarget,
  type WriteScenesOptions,
  type WrittenScenes,
} from "./scenes/write-scenes.ts";
