import type { CompleteOptions, Completion, CompletionModel, Sample } from "@vlmr1/core";
import type { GeneratedAnswer } from "../generation/answer-state.ts";
import { createDecoderPrograms } from "../generation/decoder-programs.ts";
import { generateAnswers, type LinearsKeeper } from "../generation/generate.ts";
import { PLAIN_SAMPLING, type SamplingOptions } from "../generation/sampling-options.ts";
import type { Model } from "../model.ts";
import type { Prompt } from "../prompt-batch.ts";
import type { TrainedWeights } from "./trained-weights.ts";

const DEFAULT_NEW_TOKENS = 256;

/**
 * Answers samples with the weights of the moment. `bake`: see `createDecoderPrograms`. `keeper` gets what an update needs again of
 * answers that are for training.
 */
export function createSampler(
  model: Model,
  weights: TrainedWeights,
  promptOf: (sample: Sample) => Prompt,
  bake: boolean,
  keeper: LinearsKeeper | undefined,
): CompletionModel["complete"] {
  const { engine, architecture, generation, tokenizer, encoder } = model;
  const { decoder } = architecture;
  const programs = createDecoderPrograms(engine, { architecture, adapters: weights.current.adapters }, bake);
  return async (samples, request) => {
    const answers = await generateAnswers(
      { engine, architecture, decoder, programs, encoder, ...weights.decoding },
      samples.map(promptOf),
      {
        count: request.count,
        rng: request.rng,
        sampling: { ...PLAIN_SAMPLING, ...definedSampling(request) },
        rules: {
          stopTokenIds: new Set(generation.stopTokenIds),
          stopStrings: request.stop ?? [],
          maxNewTokens: request.maxNewTokens ?? generation.maxNewTokens ?? DEFAULT_NEW_TOKENS,
          decode: (ids) => tokenizer.decode(ids),
        },
        padTokenId: generation.padTokenId,
        signal: request.signal,
        keeper: request.forTraining ? keeper : undefined,
      },
    );
    return answers.map((group) => group.map(asCompletion));
  };
}

/**
 * What the request says about sampling. What it leaves out is off, whatever the checkpoint's makers prefer: a policy must learn from
 * its own distribution.
 */
function definedSampling(request: CompleteOptions): Partial<SamplingOptions> {
  const { temperature, topK, topP, minP, repetitionPenalty } = request;
  const given = { temperature, topK, topP, minP, repetitionPenalty };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function asCompletion({ text, tokenIds, logProbs, finishReason }: GeneratedAnswer): Completion {
  return { text, tokenIds, logProbs, finishReason };
}
