import { VlmR1Error, type CompleteOptions, type Completion, type Rng, type Sample } from "@vlmr1/core";
import { createDecoderPrograms } from "../generation/decoder-programs.ts";
import type { GeneratedAnswer } from "../generation/answer-state.ts";
import { generateAnswers } from "../generation/generate.ts";
import { disposeTree, readFloats, withUploaded } from "../host-tree.ts";
import type { LoraConfig } from "../lora/lora-config.ts";
import { resolveSampling, type Model } from "../model.ts";
import type { Message } from "../text/messages.ts";
import { batchImages } from "./batch-images.ts";
import { compileGradient, compileScores, type GradientProgram } from "./gradient-program.ts";
import { lossInputs, readReport } from "./loss-inputs.ts";
import { createUpdater } from "./parameter-update.ts";
import type { PolicyLoss } from "./policy-loss.ts";
import type { CompletionGroup, Policy, PolicyState } from "./policy-types.ts";
import { createPromptCache } from "./prompt-of-sample.ts";
import type { TrainedPart } from "./trained-parameters.ts";
import { copyOf, openTrainedWeights, type TrainedWeights, type WeightSet } from "./trained-weights.ts";
import { dropoutNoise, tokenRows, trainingLayout, type PromptAnswers } from "./training-layout.ts";
import { checkpointedLayer } from "./training-pass.ts";

/** What a policy trains, and how. */
export interface PolicyOptions {
  /** Default `lora`. */
  readonly train?: TrainedPart;
  /** For `lora` without an adapter on the model: what differs from rank 16, alpha 32, all linear layers of the decoder. */
  readonly lora?: Partial<LoraConfig>;
  /** For `lora`: where the first weights of a new adapter come from. Default `createRng(0)`. */
  readonly rng?: Rng;
  /** Compute layers again in the backward pass instead of keeping their activations: less memory, about 1.3 times the time. */
  readonly checkpoint?: boolean;
  /** Full training: keep a copy of the first weights as reference. Default true; without a KL term it can be saved. */
  readonly keepReference?: boolean;
  /** The conversation that asks a sample. Default: its system message, then its images and its prompt in one user turn. */
  readonly messages?: (sample: Sample) => readonly Message[];
  /** Adapters: decode with a second copy of the frozen weights, laid out for speed. Default true. */
  readonly bakeWeights?: boolean;
}

/**
 * A model as the trainer of `@vlmr1/grpo` wants it: it answers, tells log-probabilities, takes gradients, and updates its weights in
 * place. An image is encoded once per prompt (once per run when the tower is frozen), and a prompt is computed once for all of its
 * answers, forward and backward.
 */
export async function createPolicy(model: Model, options: PolicyOptions = {}): Promise<Policy> {
  const { train = "lora", lora, rng, keepReference = true } = options;
  const weights = await openTrainedWeights(model, { train, lora, rng, keepReference });
  const { engine, generation } = model;
  const promptOf = createPromptCache(model, options.messages);
  const updater = createUpdater(engine, weights.group, weights.pack);
  const bake = train === "lora" && (options.bakeWeights ?? true);
  const { architecture } = model;
  const { decoder } = architecture;
  const programs = createDecoderPrograms(engine, { architecture, adapters: weights.current.adapters }, bake);
  const layer = options.checkpoint ? checkpointedLayer : undefined;
  const passes = createPasses(model, layer, weights);

  const layOut = (groups: readonly CompletionGroup[]) => {
    const answers: PromptAnswers[] = groups.map(({ sample, completions }) => ({
      prompt: promptOf(sample),
      answers: completions.map(({ tokenIds }) => tokenIds),
    }));
    return { answers, layout: trainingLayout(decoder, answers, generation.padTokenId) };
  };
  const forwardInputs = async (
    { answers, layout }: ReturnType<typeof layOut>,
    set: WeightSet,
    temperature: number,
    rng?: Rng,
  ) => ({
    ...layout.inputs,
    images: await batchImages(architecture, layout, answers.length, set),
    temperature,
    noise: rng && weights.dropout > 0 ? dropoutNoise(decoder, layout.sizes, rng) : null,
  });
  const score = async (set: WeightSet, groups: readonly CompletionGroup[], temperature: number) => {
    if (groups.length === 0) return [];
    const batch = layOut(groups);
    const inputs = await forwardInputs(batch, set, temperature);
    const result = await withUploaded(engine, inputs, (forward) =>
      passes.scores(set)(set.trained, set.frozen, forward as never),
    );
    const rows = tokenRows(batch.layout.sizes, await readFloats(result), batch.answers);
    disposeTree(result);
    return rows;
  };

  return {
    async complete(samples, request) {
      const answers = await generateAnswers(
        { engine, architecture, decoder, programs, encoder: model.encoder, ...weights.decoding },
        samples.map(promptOf),
        {
          count: request.count,
          rng: request.rng,
          sampling: resolveSampling(request, generation),
          rules: stopRules(model, request),
          padTokenId: generation.padTokenId,
          signal: request.signal,
        },
      );
      return answers.map((group) => group.map(asCompletion));
    },
    logProbs: (groups, { temperature }) => score(weights.current, groups, temperature),
    referenceLogProbs: async (groups, { temperature }) =>
      score(await weights.reference.weights(), groups, temperature),
    async accumulate(batch, loss) {
      const set = weights.current;
      const laidOut = layOut(batch.groups);
      const { sizes } = laidOut.layout;
      const inputs = {
        forward: await forwardInputs(laidOut, set, batch.temperature, batch.rng),
        given: lossInputs(sizes, batch),
      };
      const target = { gradients: updater.gradientTarget().views };
      const result = await withUploaded(engine, inputs, ({ forward, given }) =>
        passes
          .gradient(set, loss)
          .into(target as never, set.trained, set.frozen, forward as never, given as never),
      );
      await updater.accumulated();
      return readReport(result as never, sizes, laidOut.answers);
    },
    async apply(optimizer, request) {
      await weights.reference.beforeChange();
      const report = await updater.apply(optimizer, request);
      if (report.applied) weights.updated();
      return report;
    },
    discard: () => updater.discard(),
    syncReference: (mix) => weights.reference.sync(mix),
    async snapshot() {
      const state: Record<string, Float32Array> = { parameters: await copyOf(weights.group) };
      for (const [name, values] of Object.entries(await updater.slots())) state[SLOT + name] = values;
      const reference = await weights.reference.moved();
      return reference ? { ...state, reference } : state;
    },
    async restore(state) {
      checkState(state, weights.group.flat.size);
      await weights.reference.beforeChange();
      weights.group.flat.write(state["parameters"] as Float32Array);
      if (state["reference"]) weights.reference.set(state["reference"]);
      const slots = Object.entries(state).filter(([name]) => name.startsWith(SLOT));
      updater.setSlots(Object.fromEntries(slots.map(([name, values]) => [name.slice(SLOT.length), values])));
      updater.discard();
      weights.updated();
    },
    save: (directory) => model.save(directory),
    tokenizeAnswer: (text) => [...model.tokenize(text), ...generation.stopTokenIds.slice(0, 1)],
  };
}

function asCompletion({ text, tokenIds, logProbs, finishReason }: GeneratedAnswer): Completion {
  return { text, tokenIds, logProbs, finishReason };
}

const SLOT = "optimizer/";

/** Compiled passes, made when first needed: one for each loss, and log-probabilities with and without the adapter. */
function createPasses(
  { engine, architecture }: Model,
  layer: typeof checkpointedLayer | undefined,
  { headIsTrained, dropout }: TrainedWeights,
) {
  const gradients = new Map<string, GradientProgram>();
  const scorers = new Map<WeightSet["adapters"], ReturnType<typeof compileScores>>();
  const options = ({ adapters }: WeightSet, entropies: boolean) => ({
    architecture,
    adapters,
    layer,
    entropies,
    headIsTrained,
    dropout,
  });
  return {
    scores(set: WeightSet) {
      const known = scorers.get(set.adapters);
      if (known) return known;
      const made = compileScores(engine, options(set, false));
      scorers.set(set.adapters, made);
      return made;
    },
    gradient(set: WeightSet, loss: PolicyLoss): GradientProgram {
      const known = gradients.get(loss.key);
      if (known) return known;
      const made = compileGradient(engine, options(set, loss.needs.entropies), loss);
      gradients.set(loss.key, made);
      return made;
    },
  };
}

function stopRules({ generation, tokenizer }: Model, request: CompleteOptions) {
  return {
    stopTokenIds: new Set(generation.stopTokenIds),
    stopStrings: request.stop ?? [],
    maxNewTokens: request.maxNewTokens ?? generation.maxNewTokens ?? 256,
    decode: (ids: readonly number[]) => tokenizer.decode(ids),
  };
}

function checkState(state: PolicyState, size: number): void {
  const isKnown = (name: string): boolean =>
    name === "parameters" || name === "reference" || name.startsWith(SLOT);
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
