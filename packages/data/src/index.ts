export type { BadSampleOptions, LoadedDataset, SkippedSamples } from "./dataset/bad-samples.ts";
export type { PickleValue } from "./formats/pickle-machine.ts";
export { readPickle } from "./formats/pickle-reader.ts";
export { writePickle, type Picklable } from "./formats/pickle-writer.ts";
export { loadImage, type LoadImageOptions } from "./image/load-image.ts";
export {
  cocoDetection,
  type CocoDataset,
  type CocoObject,
  type CocoOptions,
  type CocoTarget,
} from "./loaders/coco.ts";
export { refCoco, type RefCocoOptions, type RefCocoTarget } from "./loaders/refcoco.ts";
export type { Segmentation } from "./loaders/segmentation.ts";
export {
  detectionQuestion,
  detectionQuestionInTags,
  jsonAnswerTemplate,
  odinwQuestion,
  odLengthTemplate,
  plainTemplate,
  recBaselineTemplate,
  recQuestion,
  recTemplate,
  thinkTemplate,
  visualRftDetectionQuestion,
  type PromptTemplate,
} from "./prompts.ts";
export { drawScenes, type SceneOptions } from "./scenes/draw-scenes.ts";
export type { ExpressionKind } from "./scenes/expression.ts";
export type { Ground } from "./scenes/ground.ts";
export { defaultColors, defaultIcons, fluentEmoji, type SceneColor, type SceneIcon } from "./scenes/icons.ts";
export type { DrawingStyle } from "./scenes/paint.ts";
export type { SceneTargets, SceneTask } from "./scenes/question.ts";
export { sceneSplits, type SceneSplit } from "./scenes/scene-splits.ts";
export type { Scene, SceneObject } from "./scenes/scene.ts";
