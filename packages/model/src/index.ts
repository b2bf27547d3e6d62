export { createModel } from "./create-model.ts";
export { familyOf, knownFamilies } from "./families/known-families.ts";
export type {
  Architecture,
  DecoderConfig,
  Family,
  HostTensor,
  ImageLayout,
  ImageProcessor,
  Positions,
  ProcessedImage,
  Rename,
  Tensors,
  TensorSpec,
  VisionFeatures,
  VisionPlan,
  VisionTower,
} from "./family.ts";
export type { GeneratedAnswer } from "./generation/answer-state.ts";
export type { GenerationUpdate } from "./generation/generate.ts";
export { drawToken, inverseCdf, processLogits, type Draw } from "./generation/sample-on-host.ts";
export { PLAIN_SAMPLING, type SamplingOptions } from "./generation/sampling-options.ts";
export type { FeatureEncoder, ImageFeatures } from "./image-features.ts";
export { inspect, type Inspection } from "./inspect.ts";
export { loadModel, type LoadOptions } from "./load-model.ts";
export { createAdapter, freshAdapterWeights, type Adapter } from "./lora/adapter.ts";
export { adaptedModules, DEFAULT_LORA, type AdaptedModule, type LoraConfig } from "./lora/lora-config.ts";
export { mergeAdapter, unmergeAdapter } from "./lora/merge-adapter.ts";
export type { GenerateOptions, LogitTable, Model, PromptRequest, SaveOptions } from "./model.ts";
export type { ModelFiles } from "./model-files.ts";
export { nano, type NanoOptions } from "./nano/nano.ts";
export { NANO_WORDS } from "./nano/nano-tokenizer.ts";
export {
  packParameters,
  type DeviceTensors,
  type ParameterGroup,
  type ParameterStore,
} from "./parameters.ts";
export { createPolicy, type PolicyOptions } from "./policy/create-policy.ts";
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
export { createUpdater, type ParameterUpdater } from "./policy/parameter-update.ts";
export { sampleMessages } from "./policy/prompt-of-sample.ts";
export type { TrainedPart } from "./policy/trained-parameters.ts";
export type { Prompt, PromptImage } from "./prompt-batch.ts";
export type { ChatTemplate, RenderOptions } from "./text/chat-template.ts";
export type { GenerationConfig } from "./text/generation-config.ts";
export type { Message, MessagePart } from "./text/messages.ts";
export type { Tokenizer } from "./text/tokenizer.ts";
