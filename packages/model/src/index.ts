export { createModel } from "./create-model.ts";
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
export { familyOf, knownFamilies } from "./families/known-families.ts";
export type { GeneratedAnswer } from "./generation/answer-state.ts";
export type { GenerationUpdate } from "./generation/generate.ts";
export { processLogits, inverseCdf, drawToken, type Draw } from "./generation/sample-on-host.ts";
export { PLAIN_SAMPLING, type SamplingOptions } from "./generation/sampling-options.ts";
export { loadModel, type LoadOptions } from "./load-model.ts";
export { createAdapter, freshAdapterWeights, type Adapter } from "./lora/adapter.ts";
export { adaptedModules, DEFAULT_LORA, type AdaptedModule, type LoraConfig } from "./lora/lora-config.ts";
export type { GenerateOptions, LogitTable, Model, PromptRequest, SaveOptions } from "./model.ts";
export type { ModelFiles } from "./model-files.ts";
export { nano, type NanoOptions } from "./nano/nano.ts";
export { NANO_WORDS } from "./nano/nano-tokenizer.ts";
export type { DeviceTensors, ParameterGroup, ParameterStore } from "./parameters.ts";
export type { Prompt, PromptImage } from "./prompt-batch.ts";
export { createPolicy, type PolicyOptions } from "./policy/create-policy.ts";
export type { Policy, PolicyState, TrainingBatch, TrainingGroup } from "./policy/policy-types.ts";
export type { PolicyLoss, PolicyLossInputs } from "./policy/policy-loss.ts";
export type { Optimizer } from "./policy/optimizer.ts";
export type { TrainedPart } from "./policy/trained-parameters.ts";
export { decodeImage } from "./processor/decode-image.ts";
export type { Message, MessagePart } from "./text/messages.ts";
