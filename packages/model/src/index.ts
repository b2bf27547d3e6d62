export type {
  AccumulateReport,
  ApplyReport,
  CompletionGroup,
  Optimizer,
  OptimizerInputs,
  OptimizerState,
  ParameterLayout,
  ParameterSpan,
  Policy,
  PolicyLoss,
  PolicyLossInputs,
  PolicyState,
  TrainingBatch,
  TrainingGroup,
} from "@vlmr1/policy";
export { createModel } from "./create.ts";
export type { Family } from "./families/family.ts";
export { familyOf, knownFamilies } from "./families/known-families.ts";
export { nano, NANO_WORDS, type NanoOptions } from "./families/nano.ts";
export type { ModelFiles } from "./weights/documents.ts";
export type { GeneratedCompletion } from "./generate/batch.ts";
export type { GenerationUpdate } from "./generate/generate.ts";
export {
  type Draw,
  drawToken,
  type GenerationConfig,
  inverseCdf,
  PLAIN_SAMPLING,
  processLogits,
  type SamplingOptions,
} from "./generate/sampling.ts";
export type { FeatureEncoder, ImageFeatures } from "./images/encoder.ts";
export type { ImageProcessor } from "./images/processor.ts";
export { inspect, type Inspection } from "./inspect.ts";
export { loadModel, type LoadOptions } from "./load.ts";
export {
  type AdaptedModule,
  adaptedModules,
  type Adapter,
  createAdapter,
  DEFAULT_LORA,
  freshAdapterWeights,
  type LoraConfig,
  mergeAdapter,
  unmergeAdapter,
} from "./lora/adapter.ts";
export type { GenerateOptions, LogitTable, Model, PromptRequest, SaveOptions } from "./model.ts";
export type {
  Architecture,
  ImageLayout,
  ProcessedImage,
  VisionFeatures,
  VisionPlan,
  VisionTower,
} from "./network/architecture.ts";
export type { DecoderConfig } from "./network/decoder.ts";
export type { Prompt, PromptImage } from "./network/inputs.ts";
export type { Positions } from "./network/rotary.ts";
export type { DeviceTensors, HostTensor, Tensors, TensorSpec } from "./network/tensors.ts";
export type { ChatTemplate, Message, MessagePart, RenderOptions } from "./text/chat.ts";
export type { Tokenizer } from "./text/tokenizer.ts";
export { createPolicy, type PolicyOptions, sampleMessages } from "./train/policy.ts";
export { createUpdater, type ParameterUpdater } from "./train/update.ts";
export type { TrainedPart } from "./train/weights.ts";
export type { Rename } from "./weights/names.ts";
export { packParameters, type ParameterGroup, type ParameterStore } from "./weights/parameters.ts";
export type { StoredWeight } from "./weights/precision.ts";
