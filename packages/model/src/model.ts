import { VlmR1Error, type RgbImage, type Rng } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import type { Architecture, ImageProcessor } from "./family.ts";
import type { GeneratedAnswer } from "./generation/answer-state.ts";
import type { GenerationUpdate } from "./generation/generate.ts";
import type { SamplingOptions } from "./generation/sampling-options.ts";
import type { FeatureEncoder } from "./image-features.ts";
import type { Adapter } from "./lora/adapter.ts";
import type { ParameterStore } from "./parameters.ts";
import type { Prompt } from "./prompt-batch.ts";
import type { ChatTemplate, RenderOptions } from "./text/chat-template.ts";
import type { GenerationConfig } from "./text/generation-config.ts";
import type { Message } from "./text/messages.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

/** A conversation and its pictures, in the order of the image parts. */
export interface PromptRequest extends RenderOptions {
  readonly messages: readonly Message[];
  readonly images?: readonly RgbImage[];
}

/** How to write answers; what is left out comes from the checkpoint's generation configuration. */
export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Answers to each prompt; default 1. They share the prompt's keys and values. */
  readonly count?: number;
  /** Where the randomness comes from; needed unless `temperature` is 0. */
  readonly rng?: Rng;
  readonly maxNewTokens?: number;
  /** Instead of those of the checkpoint. */
  readonly stopTokenIds?: readonly number[];
  /** Texts that end an answer; they are not part of it. */
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal;
  /** Called for every answer that got a token: streaming. */
  readonly onUpdate?: (update: GenerationUpdate) => void;
}

/** Logits of every position of a prompt with a continuation. */
export interface LogitTable {
  /** `[positions, vocabulary]`, row-major. */
  readonly data: Float32Array;
  readonly shape: readonly [positions: number, vocabulary: number];
}

/** A vision-language model (or a text model), ready to compute. */
export interface Model {
  readonly engine: Engine;
  readonly architecture: Architecture;
  readonly parameters: ParameterStore;
  readonly tokenizer: Tokenizer;
  /** Absent for base models without a chat format. */
  readonly template: ChatTemplate | undefined;
  readonly processor: ImageProcessor | undefined;
  readonly generation: GenerationConfig;
  /** Encodes images; pictures that it has seen are not encoded again. */
  readonly encoder: FeatureEncoder;
  /** The adapter that takes part in every computation, if any. */
  readonly adapter: Adapter | undefined;
  /** Puts an adapter on, or takes it off (`undefined`). */
  useAdapter(adapter: Adapter | undefined): Promise<void>;
  /** Token ids of plain text; nothing is added. */
  tokenize(text: string): number[];
  /** Renders messages, expands image placeholders, prepares the pictures: all that a prompt is. */
  preprocess(request: PromptRequest): Prompt;
  /** Logits after every token of the prompt and of `continuation`. For inspection: the whole table is made. */
  logits(prompt: Prompt, continuation?: readonly number[]): Promise<LogitTable>;
  /** Answers to each prompt: `result[prompt][answer]`. */
  generate(prompts: readonly Prompt[], options: GenerateOptions): Promise<GeneratedAnswer[][]>;
  /** Features of one picture as they enter the decoder, `[tokens, hiddenSize]` row-major. */
  embedImage(image: RgbImage): Promise<Float32Array>;
  /** Writes the model (and its adapter, beside it) as transformers and PEFT write them. */
  save(directory: string, options?: SaveOptions): Promise<void>;
  /** Releases programs and weights. */
  dispose(): Promise<void>;
}

/** How a model is saved. */
export interface SaveOptions {
  /** Stored type; default F32. */
  readonly dtype?: "F32" | "F16" | "BF16";
  /** Write only the adapter. Default: when there is one. */
  readonly adapterOnly?: boolean;
}

/** Options of `generate` with the checkpoint's own where they are silent. */
export function resolveSampling(
  options: Partial<SamplingOptions>,
  generation: GenerationConfig,
): SamplingOptions {
  return {
    temperature: options.temperature ?? generation.temperature,
    topK: options.topK ?? generation.topK,
    topP: options.topP ?? generation.topP,
    minP: options.minP ?? generation.minP,
    repetitionPenalty: options.repetitionPenalty ?? generation.repetitionPenalty,
  };
}

/** @throws VlmR1Error `invalid-argument` when sampling lacks its source of randomness. */
export function requireRng(rng: Rng | undefined): Rng {
  if (rng) return rng;
  throw new VlmR1Error(
    "invalid-argument",
    "Sampling needs `rng`, for example createRng(seed). For greedy answers set temperature: 0.",
  );
}
