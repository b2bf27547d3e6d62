import { createHash } from "node:crypto";
import type * as tf from "@tensorflow/tfjs-core";
import { createRng, type FrameKind, type FrameOf, type RgbImage, type Rng, VlmR1Error } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { boxFrameOf } from "./families/family.ts";
import type { GeneratedCompletion } from "./generate/batch.ts";
import { generateCompletions, type GeneratingModel, type GenerationUpdate } from "./generate/generate.ts";
import { createDecoderPrograms, type DecoderPrograms } from "./generate/programs.ts";
import {
  type GenerationConfig,
  requireRng,
  resolveSampling,
  type SamplingOptions,
} from "./generate/sampling.ts";
import { batchFeatures, createFeatureEncoder, type FeatureEncoder } from "./images/encoder.ts";
import { expandPlaceholders, type ImageProcessor } from "./images/processor.ts";
import type { Adapter } from "./lora/adapter.ts";
import type { Architecture } from "./network/architecture.ts";
import { type FeatureTensors, finalNorm, type TokenInputs } from "./network/decoder.ts";
import { headScope, logits } from "./network/head.ts";
import { type Prompt, type PromptImage, promptInputs } from "./network/inputs.ts";
import { modelScope, promptPass } from "./network/passes.ts";
import type { AdapterScaling } from "./network/scope.ts";
import { disposeTree, readFloats, type Tensors, withUploaded } from "./network/tensors.ts";
import type { ChatTemplate, Message, RenderOptions } from "./text/chat.ts";
import type { Tokenizer } from "./text/tokenizer.ts";
import { isVisionParameter, type ParameterStore } from "./weights/parameters.ts";

/** A conversation and its pictures, in the order of the image parts. */
export interface PromptRequest extends RenderOptions {
  readonly messages: readonly Message[];
  readonly images?: readonly RgbImage[];
}

/** How to write completions; what is left out comes from the checkpoint's generation configuration. */
export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Completions to each prompt; default 1. They share the prompt's keys and values. */
  readonly count?: number;
  /** Where the randomness comes from; needed unless `temperature` is 0. */
  readonly rng?: Rng;
  readonly maxNewTokens?: number;
  /** Instead of those of the checkpoint. */
  readonly stopTokenIds?: readonly number[];
  /** Texts that end a completion; they are not part of it. */
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal;
  /** Called for every completion that got a token: streaming. */
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
  /** The frame of the boxes that the model writes: its family's, or another, `kind`, for the same pictures. */
  boxFrame(kind?: FrameKind): FrameOf;
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
  /** Completions to each prompt: `result[prompt][completion]`. */
  generate(prompts: readonly Prompt[], options: GenerateOptions): Promise<GeneratedCompletion[][]>;
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

/** What a model is made of. */
interface ModelParts {
  readonly engine: Engine;
  readonly architecture: Architecture;
  readonly parameters: ParameterStore;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | undefined;
  readonly processor: ImageProcessor | undefined;
  /** See `Family`. */
  readonly boxFrame: FrameKind;
  readonly generation: GenerationConfig;
  readonly adapter?: Adapter | undefined;
  /** Whether decoding may keep a second, faster copy of the weights. */
  readonly bakeWeights: boolean;
  /** Writes the model in the formats of the hub. */
  save(model: Model, directory: string, options: SaveOptions): Promise<void>;
}

const DEFAULT_NEW_TOKENS = 256;

/** The compiled side of a model, which changes with its adapter. */
function createComputation(parts: ModelParts) {
  const { engine, architecture, parameters } = parts;
  let adapter = parts.adapter;
  let programs: { readonly made: DecoderPrograms; readonly revision: number } | undefined;
  const isVision = (name: string): boolean => isVisionParameter(architecture, name);
  const adapterTensors = (accept: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(adapter?.group.views ?? {}).filter(([name]) => accept(name)));
  const visionTensors = () => ({ ...parameters.select(isVision), ...adapterTensors(isVision) });
  const encoder = createFeatureEncoder(engine, architecture, visionTensors, () => adapter?.scaling);
  const release = async (): Promise<void> => {
    await encoder.release();
    await programs?.made.release();
    programs = undefined;
  };
  const decoderPrograms = async (): Promise<DecoderPrograms> => {
    if (programs?.revision === parameters.revision()) return programs.made;
    await programs?.made.release();
    const fixed = parameters.revision() === 0; // constants would not follow weights that are trained
    const config = { architecture, adapters: adapter?.scaling };
    const made = createDecoderPrograms(engine, config, {
      bake: parts.bakeWeights && fixed,
      int8Products: true,
    });
    programs = { made, revision: parameters.revision() };
    return made;
  };
  const generating = async (): Promise<GeneratingModel> => ({
    engine,
    architecture,
    decoder: architecture.decoder,
    encoder,
    programs: await decoderPrograms(),
    frozen: parameters.select((name) => !isVision(name)),
    trained: adapterTensors((name) => !isVision(name)),
  });
  const useAdapter = async (next: Adapter | undefined): Promise<void> => {
    adapter = next;
    encoder.clear();
    await release();
  };
  return { encoder, generating, useAdapter, release, adapter: () => adapter };
}

/** Gives the parts of a model their behaviour. */
export function assembleModel(parts: ModelParts): Model {
  const { engine, architecture, parameters, tokenizer, template, processor, generation } = parts;
  const computation = createComputation(parts);
  const { encoder, generating, useAdapter } = computation;
  const model: Model = {
    engine,
    architecture,
    parameters,
    tokenizer,
    template,
    processor,
    boxFrame: (kind = parts.boxFrame) => boxFrameOf(kind, processor),
    generation,
    encoder,
    get adapter() {
      return computation.adapter();
    },
    useAdapter,
    tokenize: (text) => tokenizer.encode(text),
    preprocess: createPreprocessor(parts),
    logits: async (prompt, continuation = []) =>
      computeLogits(await generating(), computation.adapter()?.scaling, prompt, continuation),
    generate: async (prompts, options) => generateWith(await generating(), parts, prompts, options),
    embedImage: async (image) => {
      const [features] = await encoder.encode([prepareImage(requireProcessor(parts), image)]);
      return features?.[0] as Float32Array;
    },
    save: (directory, options = {}) => parts.save(model, directory, options),
    async dispose() {
      await computation.release();
      for (const { name } of parameters.specs) parameters.get(name).dispose();
      computation.adapter()?.group.flat.dispose();
    },
  };
  return model;
}

function generateWith(
  model: GeneratingModel,
  { generation, tokenizer }: ModelParts,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<GeneratedCompletion[][]> {
  const sampling = resolveSampling(options, generation);
  return generateCompletions(model, prompts, {
    count: options.count ?? 1,
    rng: sampling.temperature === 0 ? createRng(0) : requireRng(options.rng),
    sampling,
    rules: {
      stopTokenIds: new Set(options.stopTokenIds ?? generation.stopTokenIds),
      stopStrings: options.stop ?? [],
      maxNewTokens: options.maxNewTokens ?? generation.maxNewTokens ?? DEFAULT_NEW_TOKENS,
      decode: (ids) => tokenizer.decode(ids),
    },
    padTokenId: generation.padTokenId,
    signal: options.signal,
    onUpdate: options.onUpdate,
  });
}

function requireProcessor({
  processor,
  architecture,
}: Pick<ModelParts, "processor" | "architecture">): ImageProcessor {
  if (processor) return processor;
  throw new VlmR1Error(
    "invalid-argument",
    `This ${architecture.modelType} model takes no images: it is text-only or its folder lacks preprocessor_config.json.`,
  );
}

/** A picture as part of a prompt; its pixels are computed when the tower needs them. */
function prepareImage(processor: ImageProcessor, image: RgbImage): PromptImage {
  const digest = createHash("sha1").update(image.data).digest("base64");
  const key = `${image.width}x${image.height} ${digest}`;
  return { ...processor.layout(image), key, process: () => processor.process(image) };
}

function createPreprocessor(parts: ModelParts): (request: PromptRequest) => Prompt {
  const { architecture, tokenizer } = parts;
  return ({ messages, images = [], ...render }) => {
    if (!parts.template) {
      throw new VlmR1Error(
        "invalid-argument",
        "The model has no chat template: it is a base model. Tokenize plain text instead.",
      );
    }
    let text = parts.template.render(messages, render);
    const prepared = images.map((image) => prepareImage(requireProcessor(parts), image));
    if (prepared.length > 0) text = expandPlaceholders(text, requireProcessor(parts), prepared);
    const ids = tokenizer.encode(text);
    return { ids, images: prepared, positions: architecture.positions(ids, prepared) };
  };
}

/** A prompt with tokens after it; these stand at the positions of a completion. */
function continuePrompt(prompt: Prompt, continuation: readonly number[]): Prompt {
  const grow = (axis: Int32Array): Int32Array =>
    Int32Array.from([...axis, ...continuation.map((_, i) => prompt.positions.next + i)]);
  const [times, rows, columns] = prompt.positions.axes;
  const next = prompt.positions.next + continuation.length;
  return {
    ids: [...prompt.ids, ...continuation],
    images: prompt.images,
    positions: { axes: [grow(times), grow(rows), grow(columns)], next },
  };
}

/** Logits of every position, in one pass without a cache: the plain way, for inspection and tests. */
async function computeLogits(
  model: GeneratingModel,
  adapters: AdapterScaling | undefined,
  prompt: Prompt,
  continuation: readonly number[],
): Promise<LogitTable> {
  const { engine, architecture, decoder } = model;
  const whole = continuePrompt(prompt, continuation);
  const slots = whole.ids.length;
  if (slots > decoder.contextLength) {
    throw new VlmR1Error(
      "limit",
      `The prompt has ${slots} tokens; the context of the model has ${decoder.contextLength}.`,
    );
  }
  const config = { architecture, adapters };
  const program = engine.compile(
    (frozen: Tensors, trained: Tensors, inputs: TokenInputs, images: FeatureTensors | null): tf.Tensor2D => {
      const root = modelScope(config, [frozen, trained]);
      const { hidden } = promptPass(root, config, inputs, images ?? undefined, false);
      return logits(headScope(root, decoder), finalNorm(root, decoder, hidden));
    },
    { name: "all logits" },
  );
  const host = {
    inputs: promptInputs(decoder, [whole], slots),
    images: await batchFeatures(architecture, model.encoder, [whole], slots),
  };
  const table = await withUploaded(engine, host, ({ inputs, images }) =>
    program(model.frozen, model.trained, inputs, images),
  );
  const data = Float32Array.from(await readFloats(table));
  disposeTree(table);
  await program.release();
  return { data, shape: [slots, decoder.vocabularySize] };
}
