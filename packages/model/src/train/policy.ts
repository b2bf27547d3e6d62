import {
  type CompleteOptions,
  type Completion,
  type CompletionModel,
  type Rng,
  type Sample,
  VlmR1Error,
} from "@vlmr1/core";
import type { Policy, PolicyState } from "@vlmr1/policy";
import type { GeneratedCompletion } from "../generate/batch.ts";
import { generateCompletions } from "../generate/generate.ts";
import { createRolloutLinears, type LinearsKeeper } from "../generate/kept-linears.ts";
import { createDecoderPrograms } from "../generate/programs.ts";
import { PLAIN_SAMPLING, type SamplingOptions } from "../generate/sampling.ts";
import type { LoraConfig } from "../lora/adapter.ts";
import type { Model } from "../model.ts";
import type { Prompt } from "../network/inputs.ts";
import type { Message } from "../text/chat.ts";
import { createPasses, gradientCheckpointedLayer } from "./passes.ts";
import { createUpdater, type ParameterUpdater } from "./update.ts";
import { createRolloutWeights, type RolloutWeights, storedPrecision } from "./rollout-weights.ts";
import { copyOf, openTrainedWeights, type TrainedPart, type TrainedWeights } from "./weights.ts";

/** What a policy trains, and how. */
export interface PolicyOptions {
  /** Default `lora`. */
  readonly train?: TrainedPart;
  /** For `lora` without an adapter on the model: what differs from rank 16, alpha 32, all linear layers of the decoder. */
  readonly lora?: Partial<LoraConfig>;
  /** For `lora`: where the first weights of a new adapter come from. Default `createRng(0)`. */
  readonly rng?: Rng;
  /** Compute layers again in the backward pass instead of keeping their activations: less memory, about 1.3 times the time. */
  readonly gradientCheckpointing?: boolean;
  /** Full training: keep a copy of the first weights as reference. Default true; without a KL term it can be saved. */
  readonly keepReference?: boolean;
  /** The conversation that asks a sample. Default: its system message, then its images and its prompt in one user turn. */
  readonly messages?: (sample: Sample) => readonly Message[];
  /** Adapters: decode with a second copy of the frozen weights, laid out for speed. Default true. */
  readonly bakeWeights?: boolean;
  /**
   * Bytes in which an update may find what the linear layers gave while its completions were written (`forTraining`), instead of
   * computing it again: a third of its time. Default 512 MiB; 0 keeps nothing. Only on `cpu`, without checkpointing and without
   * dropout.
   */
  readonly rolloutMemory?: number;
  /**
   * Completions for training (`forTraining`) are drawn with the decoder's linear layers stored in this precision and multiplied in whole
   * numbers, adapters in float32: faster, from nearly the same distribution. The update is exact, and the loss corrects the difference by
   * truncated importance sampling. Default: that of the model's weights (`LoadOptions`), so `float32`, which is exact, for most.
   */
  readonly rolloutPrecision?: "float32" | "int8" | "int4";
}

const ROLLOUT_MEMORY = 2 ** 29;

/**
 * A model as the trainer of `@vlmr1/grpo` wants it: it completes prompts, tells log-probabilities, takes gradients, and updates
 * its weights in place. An image is encoded once per prompt (once per run when the tower is frozen), and a prompt is computed
 * once for all of its completions, forward and backward. Unlike `model.generate`, `complete` samples from the plain distribution
 * unless it is told otherwise.
 */
export async function createPolicy(model: Model, options: PolicyOptions = {}): Promise<Policy> {
  const { train = "lora", lora, rng, keepReference = true } = options;
  const weights = await openTrainedWeights(model, { train, lora, rng, keepReference });
  const promptOf = createPromptCache(model, options.messages);
  const updater = createUpdater(model.engine, weights.group, weights.pack);
  const { current, reference } = weights;
  const rolloutPrecision = options.rolloutPrecision ?? storedPrecision(model);
  const isExact = rolloutPrecision === "float32"; // only then are a rollout's outputs those of the update
  const keeps = isExact && !options.gradientCheckpointing && weights.dropout === 0;
  const rollout = createRolloutLinears(
    model.engine,
    model.architecture,
    keeps ? (options.rolloutMemory ?? ROLLOUT_MEMORY) : 0,
  );
  const layer = options.gradientCheckpointing ? gradientCheckpointedLayer : undefined;
  const passes = createPasses(model, weights, promptOf, { layer, rollout });
  const bake = train === "lora" && (options.bakeWeights ?? true);
  const draft =
    rolloutPrecision === "float32" ? undefined : createRolloutWeights(model, weights, rolloutPrecision);
  return {
    ...(rolloutPrecision !== "float32" && { rolloutPrecision }),
    complete: createSampler(model, weights, promptOf, { bake, keeper: rollout, draft }),
    logProbs: (groups, { temperature }) => passes.logProbs(current, groups, temperature),
    referenceLogProbs: async (groups, { temperature }) =>
      passes.logProbs(await reference.weights(), groups, temperature),
    async accumulate(batch, loss) {
      const report = await passes.gradient(batch, loss, updater.gradientTarget().views);
      await updater.accumulated(report.loss);
      return report;
    },
    async apply(optimizer, request) {
      await reference.beforeChange();
      rollout.forget();
      const report = await updater.apply(optimizer, request);
      if (report.applied) {
        weights.updated();
        draft?.outdated();
      }
      return report;
    },
    discard: () => updater.discard(),
    syncReference: (mix) => reference.sync(mix),
    snapshot: () => takeSnapshot(weights, updater),
    restore(state) {
      rollout.forget();
      draft?.outdated();
      return restoreSnapshot(weights, updater, state);
    },
    save: (directory) => model.save(directory),
    tokenizeCompletion: (text) => [...model.tokenize(text), ...model.generation.stopTokenIds.slice(0, 1)],
  };
}

/** The conversation that asks a sample: its system message, then its images and its question in one user turn. */
export function sampleMessages(sample: Sample): Message[] {
  const images = sample.images.map(() => ({ type: "image" }) as const);
  const question: Message = { role: "user", content: [...images, { type: "text", text: sample.prompt }] };
  return sample.system === undefined ? [question] : [{ role: "system", content: sample.system }, question];
}

/** Prompts of samples; a sample that is asked again is not prepared again as long as somebody holds it. */
function createPromptCache(
  model: Model,
  messages: (sample: Sample) => readonly Message[] = sampleMessages,
): (sample: Sample) => Prompt {
  const known = new WeakMap<Sample, Prompt>();
  return (sample) => {
    const old = known.get(sample);
    if (old) return old;
    const prompt = model.preprocess({ messages: messages(sample), images: sample.images });
    known.set(sample, prompt);
    return prompt;
  };
}

const DEFAULT_NEW_TOKENS = 256;

interface SamplerOptions {
  /** See `createDecoderPrograms`. */
  readonly bake: boolean;
  /** Gets what an update needs again of completions that are for training. */
  readonly keeper: LinearsKeeper;
  /** Weights from which completions for training are drawn instead. */
  readonly draft: RolloutWeights | undefined;
}

/** Completes samples with the weights of the moment. */
function createSampler(
  model: Model,
  weights: TrainedWeights,
  promptOf: (sample: Sample) => Prompt,
  { bake, keeper, draft }: SamplerOptions,
): CompletionModel["complete"] {
  const { engine, architecture, generation, tokenizer, encoder } = model;
  const { decoder } = architecture;
  const config = { architecture, adapters: weights.current.adapters };
  const exact = createDecoderPrograms(engine, config, { bake, int8Products: false });
  const fast = draft && {
    weights: draft,
    programs: createDecoderPrograms(engine, config, { bake, int8Products: true }),
  };
  return async (samples, request) => {
    const chosen = request.forTraining || draft?.isBase ? fast : undefined;
    const { programs } = chosen ?? { programs: exact };
    const stepWeights = await chosen?.weights.current();
    const completions = await generateCompletions(
      { engine, architecture, decoder, programs, encoder, ...weights.decoding, stepWeights },
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
        promptNumbers: request.promptNumbers,
        keeper: request.forTraining ? keeper : undefined,
      },
    );
    return completions.map((group) => group.map(asCompletion));
  };
}

/**
 * What the request says about sampling. What it leaves out is off, whatever the checkpoint's makers prefer: a policy must learn
 * from its own distribution.
 */
function definedSampling(request: CompleteOptions): Partial<SamplingOptions> {
  const { temperature, topK, topP, minP, repetitionPenalty } = request;
  const given = { temperature, topK, topP, minP, repetitionPenalty };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function asCompletion({ text, tokenIds, logProbs, finishReason }: GeneratedCompletion): Completion {
  return { text, tokenIds, logProbs, finishReason };
}

const OPTIMIZER = "optimizer/";

/** Copies of all that training changes. */
async function takeSnapshot(weights: TrainedWeights, updater: ParameterUpdater): Promise<PolicyState> {
  const state: Record<string, Float32Array> = { parameters: await copyOf(weights.group) };
  for (const [name, values] of Object.entries(await updater.optimizerState()))
    state[OPTIMIZER + name] = values;
  const reference = await weights.reference.moved();
  return reference ? { ...state, reference } : state;
}

/** Puts a snapshot back. Throws `VlmR1Error` (`invalid-data`) before anything changes when it is not of this policy. */
async function restoreSnapshot(
  weights: TrainedWeights,
  updater: ParameterUpdater,
  state: PolicyState,
): Promise<void> {
  checkState(state, weights.group.flat.size);
  await weights.reference.beforeChange();
  weights.group.flat.write(state["parameters"] as Float32Array);
  await weights.reference.restore(state["reference"]);
  const buffers = Object.entries(state).filter(([name]) => name.startsWith(OPTIMIZER));
  updater.setOptimizerState(
    Object.fromEntries(buffers.map(([name, values]) => [name.slice(OPTIMIZER.length), values])),
  );
  updater.discard();
  weights.updated();
}

function checkState(state: PolicyState, size: number): void {
  const isKnown = (name: string): boolean =>
    name === "parameters" || name === "reference" || name.startsWith(OPTIMIZER);
  if (!state["parameters"]) {
    throw new VlmR1Error("invalid-data", "The state has no parameters: it is not a snapshot of a policy.");
  }
  for (const [name, values] of Object.entries(state)) {
    if (isKnown(name) && values.length === size) continue;
    throw new VlmR1Error(
      "invalid-data",
      `The state has "${name}" with ${values.length} numbers; this policy trains ${size}. It is of another model or trained part.`,
    );
  }
}
