import type { Rng, Sample } from "@vlmr1/core";
import { disposeTree, readFloats, withUploaded } from "../host-tree.ts";
import type { LayerFunction } from "../language-model.ts";
import type { Model } from "../model.ts";
import type { DeviceTensors } from "../parameters.ts";
import type { Prompt } from "../prompt-batch.ts";
import { batchImages } from "./batch-images.ts";
import { compileGradient, compileScores, type GradientProgram } from "./gradient-program.ts";
import { lossInputs, readReport } from "./loss-inputs.ts";
import type {
  AccumulateReport,
  CompletionGroup,
  NothingUnread,
  PolicyLoss,
  TrainingBatch,
} from "@vlmr1/policy";
import type { RolloutLinears } from "./rollout-linears.ts";
import type { TrainedWeights, WeightSet } from "./trained-weights.ts";
import { dropoutNoise, tokenRows, trainingLayout, type PromptAnswers } from "./training-layout.ts";

/** Forward and backward passes of a policy over groups of answers. */
export interface PolicyPasses {
  /** log p of every token, per group and completion. */
  score(set: WeightSet, groups: readonly CompletionGroup[], temperature: number): Promise<Float32Array[][]>;
  /** Writes the gradient of a loss into `target`, by parameter name. */
  gradient(batch: TrainingBatch, loss: PolicyLoss, target: DeviceTensors): Promise<AccumulateReport>;
}

interface PassesOptions {
  readonly layer: LayerFunction | undefined;
  readonly rollout: RolloutLinears;
}

/** Lays groups out as one rectangle and runs compiled passes over it. */
export function createPasses(
  model: Model,
  weights: TrainedWeights,
  promptOf: (sample: Sample) => Prompt,
  { layer, rollout }: PassesOptions,
): PolicyPasses {
  const { engine } = model;
  const programs = createPrograms(model, weights, layer);
  const { layOut, inputsOf } = createBatcher(model, weights, promptOf);
  return {
    async score(set, groups, temperature) {
      if (groups.length === 0) return [];
      const batch = layOut(groups);
      const inputs = { ...(await inputsOf(batch, set, temperature)), known: null };
      const result = await withUploaded(engine, inputs, (forward) =>
        programs.scores(set)(set.trained, set.frozen, forward),
      );
      const rows = tokenRows(batch.layout.sizes, await readFloats(result), batch.answers);
      disposeTree(result);
      return rows;
    },
    async gradient(batch, loss, target) {
      const { groups, totals, microBatches, temperature, rng, ...unread } = batch;
      unread satisfies NothingUnread;
      const set = weights.current;
      const laidOut = layOut(groups);
      const { sizes } = laidOut.layout;
      const known = rollout.of(laidOut.answers, sizes);
      const forward = { ...(await inputsOf(laidOut, set, temperature, rng)), known };
      const result = await withUploaded(
        engine,
        { forward, given: lossInputs(sizes, { groups, totals, microBatches }) },
        (inputs) =>
          programs
            .gradient(loss)
            .into({ gradients: target }, set.trained, set.frozen, inputs.forward, inputs.given),
      );
      return readReport(result, sizes, laidOut.answers);
    },
  };
}

/** From groups to the inputs of a forward pass. */
function createBatcher(model: Model, weights: TrainedWeights, promptOf: (sample: Sample) => Prompt) {
  const { architecture, generation } = model;
  const { decoder } = architecture;
  const layOut = (groups: readonly CompletionGroup[]) => {
    const answers: PromptAnswers[] = groups.map(({ sample, completions }) => ({
      prompt: promptOf(sample),
      answers: completions.map(({ tokenIds }) => tokenIds),
    }));
    return { answers, layout: trainingLayout(decoder, answers, generation.padTokenId) };
  };
  const inputsOf = async (
    batch: ReturnType<typeof layOut>,
    set: WeightSet,
    temperature: number,
    rng?: Rng,
  ) => ({
    ...batch.layout.inputs,
    images: await batchImages(architecture, batch.layout, batch.answers.length, set),
    temperature,
    noise: rng && weights.dropout > 0 ? dropoutNoise(decoder, batch.layout.sizes, rng) : null,
  });
  return { layOut, inputsOf };
}

/** Compiled passes, made when first needed: one for each loss, and log-probabilities with and without the adapter. */
function createPrograms(
  { engine, architecture }: Model,
  weights: TrainedWeights,
  layer: LayerFunction | undefined,
) {
  const { headIsTrained, dropout, current } = weights;
  const gradients = new Map<string, GradientProgram>();
  const scorers = new Map<WeightSet["adapters"], ReturnType<typeof compileScores>>();
  const shared = { architecture, layer, headIsTrained, dropout };
  return {
    scores({ adapters }: WeightSet) {
      const known = scorers.get(adapters);
      if (known) return known;
      const made = compileScores(engine, { ...shared, adapters, entropies: false });
      scorers.set(adapters, made);
      return made;
    },
    gradient(loss: PolicyLoss): GradientProgram {
      const known = gradients.get(loss.key);
      if (known) return known;
      const { adapters } = current;
      const made = compileGradient(engine, { ...shared, adapters, entropies: loss.needs.entropies }, loss);
      gradients.set(loss.key, made);
      return made;
    },
  };
}
