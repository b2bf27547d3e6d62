import { createHash } from "node:crypto";
import { createRng, VlmR1Error, type RgbImage } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { computeLogits } from "./compute-logits.ts";
import type { Architecture, ImageProcessor } from "./family.ts";
import { expandPlaceholders } from "./processor/expand-placeholders.ts";
import { createDecoderPrograms, type DecoderPrograms } from "./generation/decoder-programs.ts";
import { generateAnswers, type GeneratingModel } from "./generation/generate.ts";
import type { GeneratedAnswer } from "./generation/answer-state.ts";
import { createFeatureEncoder } from "./image-features.ts";
import type { Adapter } from "./lora/adapter.ts";
import {
  requireRng,
  resolveSampling,
  type GenerateOptions,
  type Model,
  type PromptRequest,
  type SaveOptions,
} from "./model.ts";
import type { ParameterStore } from "./parameters.ts";
import { isVisionParameter } from "./policy/trained-parameters.ts";
import type { Prompt, PromptImage } from "./prompt-batch.ts";
import type { ChatTemplate } from "./text/chat-template.ts";
import type { GenerationConfig } from "./text/generation-config.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

/** What a model is made of. */
export interface ModelParts {
  readonly engine: Engine;
  readonly architecture: Architecture;
  readonly parameters: ParameterStore;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | undefined;
  readonly processor: ImageProcessor | undefined;
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
    const made = createDecoderPrograms(engine, config, parts.bakeWeights && fixed);
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
): Promise<GeneratedAnswer[][]> {
  const sampling = resolveSampling(options, generation);
  return generateAnswers(model, prompts, {
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
