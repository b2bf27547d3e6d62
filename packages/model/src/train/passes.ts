import * as tf from "@tensorflow/tfjs-core";
import type { Rng, Sample } from "@vlmr1/core";
import { checkpoint, type Compiled, type Engine, stopGradient, valueAndGrad } from "@vlmr1/engine";
import type {
  AccumulateReport,
  CompletionGroup,
  NothingUnread,
  PolicyLoss,
  TrainingBatch,
} from "@vlmr1/policy";
import type { RolloutLinears } from "../generate/kept-linears.ts";
import type { Model } from "../model.ts";
import {
  type FeatureTensors,
  decoderLayer,
  type LayerFunction,
  type TokenInputs,
} from "../network/decoder.ts";
import { headScope, tokenLogProbs } from "../network/head.ts";
import type { Prompt, PromptCompletions } from "../network/inputs.ts";
import {
  completionPass,
  type CompletionTensors,
  modelScope,
  type PassConfig,
  promptPass,
} from "../network/passes.ts";
import type { AdapterDropout, Scope } from "../network/scope.ts";
import {
  type DeviceTensors,
  disposeTree,
  readFloats,
  type Tensors,
  withUploaded,
} from "../network/tensors.ts";
import { batchImages, dropoutNoise, lossInputs, readReport, tokenRows, trainingLayout } from "./layout.ts";
import type { TrainedWeights, WeightSet } from "./weights.ts";

/** Forward and backward passes of a policy over groups of completions. */
interface PolicyPasses {
  /** log p of every token, per group and completion. */
  logProbs(
    set: WeightSet,
    groups: readonly CompletionGroup[],
    temperature: number,
  ): Promise<Float32Array[][]>;
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
    async logProbs(set, groups, temperature) {
      if (groups.length === 0) return [];
      const batch = layOut(groups);
      const inputs = { ...(await inputsOf(batch, set, temperature)), known: null };
      const result = await withUploaded(engine, inputs, (forward) =>
        programs.logProbs(set)(set.trained, set.frozen, forward),
      );
      const rows = tokenRows(batch.layout.sizes, await readFloats(result), batch.completions);
      disposeTree(result);
      return rows;
    },
    async gradient(batch, loss, target) {
      const { groups, totals, microBatches, temperature, rng, ...unread } = batch;
      unread satisfies NothingUnread;
      const set = weights.current;
      const laidOut = layOut(groups);
      const { sizes } = laidOut.layout;
      const known = rollout.of(laidOut.completions, sizes);
      const forward = { ...(await inputsOf(laidOut, set, temperature, rng)), known };
      const result = await withUploaded(
        engine,
        { forward, given: lossInputs(sizes, { groups, totals, microBatches }) },
        (inputs) =>
          programs
            .gradient(loss)
            .into({ gradients: target }, set.trained, set.frozen, inputs.forward, inputs.given),
      );
      return readReport(result, sizes, laidOut.completions);
    },
  };
}

/** From groups to the inputs of a forward pass. */
function createBatcher(model: Model, weights: TrainedWeights, promptOf: (sample: Sample) => Prompt) {
  const { architecture, generation } = model;
  const { decoder } = architecture;
  const layOut = (groups: readonly CompletionGroup[]) => {
    const completions: PromptCompletions[] = groups.map(({ sample, completions }) => ({
      prompt: promptOf(sample),
      completions: completions.map(({ tokenIds }) => tokenIds),
    }));
    return { completions, layout: trainingLayout(decoder, completions, generation.padTokenId) };
  };
  const inputsOf = async (
    batch: ReturnType<typeof layOut>,
    set: WeightSet,
    temperature: number,
    rng?: Rng,
  ) => ({
    ...batch.layout.inputs,
    images: await batchImages(architecture, batch.layout, batch.completions.length, set),
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
  const evaluations = new Map<WeightSet["adapters"], ReturnType<typeof compileLogProbs>>();
  const shared = { architecture, layer, headIsTrained, dropout };
  return {
    logProbs({ adapters }: WeightSet) {
      const known = evaluations.get(adapters);
      if (known) return known;
      const made = compileLogProbs(engine, { ...shared, adapters, entropies: false });
      evaluations.set(adapters, made);
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

/** Compiles log-probabilities alone, `[P G, T]`. */
function compileLogProbs(engine: Engine, options: ForwardOptions) {
  return engine.compile(
    (trained: Tensors, frozen: Tensors, forward: ForwardTensors): tf.Tensor2D =>
      completionLogProbs(options, [frozen, trained], forward).logProbs,
    { name: "log-probabilities" },
  );
}

/** Compiles the gradient of a loss by the trained parameters. */
function compileGradient(engine: Engine, options: ForwardOptions, loss: PolicyLoss): GradientProgram {
  const forwardLoss = (trained: Tensors, frozen: Tensors, forward: ForwardTensors, given: LossTensors) => {
    const { logProbs, entropies } = completionLogProbs(options, [frozen, trained], forward);
    const { loss: value, metrics } = loss.compute(policyLossInputs(given, logProbs, entropies));
    return { value, aux: { metrics, logProbs, entropies: entropies ?? null } };
  };
  return engine.compile<Parameters<GradientFunction>, GradientResult>(
    (trained, frozen, forward, given) => {
      const { value, grads, aux } = valueAndGrad(forwardLoss)(trained, frozen, forward, given);
      return { loss: value, ...aux, gradients: grads } as GradientResult;
    },
    { name: `gradient of ${loss.key}` },
  );
}

function policyLossInputs(
  given: LossTensors,
  logProbs: tf.Tensor2D,
  entropies: tf.Tensor2D | undefined,
): Parameters<PolicyLoss["compute"]>[0] {
  const { oldLogProbs, referenceLogProbs, samplerLogProbs, ...rest } = given;
  return {
    ...rest,
    logProbs,
    oldLogProbs: oldLogProbs ?? stopGradient(logProbs),
    ...(entropies && { entropies }),
    ...(referenceLogProbs && { referenceLogProbs }),
    ...(samplerLogProbs && { samplerLogProbs }),
  };
}

/** Per-token and per-completion inputs of a loss; B = P G completions of T tokens, padding included. */
interface LossTensors {
  /** `[B]` */
  readonly advantages: tf.Tensor1D;
  /** `[B, T]` */
  readonly mask: tf.Tensor2D;
  /** Each `[B, T]`, null when the batch has none. */
  readonly oldLogProbs: tf.Tensor2D | null;
  readonly referenceLogProbs: tf.Tensor2D | null;
  readonly samplerLogProbs: tf.Tensor2D | null;
  readonly totalCompletions: tf.Scalar;
  readonly totalTokens: tf.Scalar;
  readonly maxNewTokens: tf.Scalar;
  readonly microBatches: tf.Scalar;
}

/** What a gradient program returns. */
interface GradientResult {
  readonly loss: tf.Scalar;
  readonly metrics: Readonly<Record<string, tf.Scalar>>;
  /** `[B, T]` */
  readonly logProbs: tf.Tensor2D;
  /** `[B, T]`, when the loss asks for them. */
  readonly entropies: tf.Tensor2D | null;
  /** By parameter name. */
  readonly gradients: Tensors;
}

type GradientFunction = (
  trained: Tensors,
  frozen: Tensors,
  forward: ForwardTensors,
  loss: LossTensors,
) => GradientResult;

/** A compiled forward and backward pass. */
type GradientProgram = Compiled<Parameters<GradientFunction>, GradientResult>;

/** Logits that exist at the same time while log-probabilities are computed, in numbers. */
const LOGITS_AT_ONCE = 8e6;

/** Images of a batch: features that are ready, or pixels when the tower is trained. */
interface TrainingImages {
  readonly ready: FeatureTensors | null;
  readonly pixels: {
    readonly inputs: Readonly<Record<string, tf.Tensor>>;
    readonly slots: FeatureTensors["slots"];
  } | null;
}

/** What the forward pass over a batch takes. */
interface ForwardTensors {
  readonly prompt: TokenInputs;
  readonly completion: CompletionTensors;
  readonly images: TrainingImages;
  /** Divides the logits. */
  readonly temperature: tf.Scalar;
  /** For adapters with dropout, while they are trained. */
  readonly noise: Pick<AdapterDropout, "rows" | "columns"> | null;
  /** What the linear layers give for the tokens of the completions, where the rollout kept it: by module name, `[(T - 1) P G, width]`. */
  readonly known: Tensors | null;
}

interface ForwardOptions extends PassConfig {
  readonly entropies: boolean;
  readonly headIsTrained: boolean;
  /** Share of the adapters' inputs that is zeroed; 0 when nothing is trained. */
  readonly dropout: number;
}

/** `TokenLogProbs` of completions, each `[P G, T]`. */
interface CompletionLogProbs {
  readonly logProbs: tf.Tensor2D;
  readonly entropies?: tf.Tensor2D;
}

/**
 * log p of every completion token, `[P G, T]`: images once, prompts once, completions over the keys and values of their prompt.
 * Gradients flow the same way back.
 */
function completionLogProbs(
  options: ForwardOptions,
  records: readonly Tensors[],
  inputs: ForwardTensors,
): CompletionLogProbs {
  const { decoder } = options.architecture;
  const dropout =
    inputs.noise && options.dropout > 0 ? { ...inputs.noise, rate: options.dropout } : undefined;
  const root = modelScope(options, records, dropout);
  const images = imageFeatures(options, root.tensors, inputs.images);
  const prompt = promptPass(root, options, inputs.prompt, images, true);
  const known = inputs.known ?? undefined;
  const hidden = completionPass({ ...root, known }, options, prompt, inputs.completion); // [T P G, D]
  const { logProbs, entropies } = tokenLogProbs(headScope(root, decoder), hidden, inputs.completion.targets, {
    temperature: inputs.temperature,
    trainable: options.headIsTrained,
    entropies: options.entropies,
    chunkRows: Math.max(16, Math.floor(LOGITS_AT_ONCE / decoder.vocabularySize)),
  });
  const T = (inputs.completion.rotary.cos.shape[2] as number) + 1;
  const byCompletion = (x: tf.Tensor): tf.Tensor2D => tf.transpose(tf.reshape(x, [T, -1])) as tf.Tensor2D; // [P G, T]
  return { logProbs: byCompletion(logProbs), ...(entropies && { entropies: byCompletion(entropies) }) };
}

function imageFeatures(
  options: ForwardOptions,
  tensors: Tensors,
  images: TrainingImages,
): FeatureTensors | undefined {
  const { vision } = options.architecture;
  if (!images.pixels || !vision) return images.ready ?? undefined;
  const { features, deepstack } = vision.forward(tensors, images.pixels.inputs, options.adapters);
  return { features, deepstack, slots: images.pixels.slots };
}

/** A decoder layer that keeps only its inputs for the backward pass and computes the rest again (https://arxiv.org/abs/1604.06174). */
export const gradientCheckpointedLayer: LayerFunction = (scope, config, x, tokens, pass, past) => {
  const own = Object.fromEntries(
    Object.entries(scope.tensors).filter(([name]) => name.startsWith(`${scope.name}.`)),
  );
  const [rows, width] = x.shape as [number, number];
  const keys = tokens.prompts * tokens.group * tokens.length * config.keyValueHeads * config.headDim;
  const shape = [tokens.prompts, config.keyValueHeads * tokens.group, tokens.length, config.headDim];
  const run = checkpoint(
    (
      x: tf.Tensor,
      weights: Tensors,
      pass: Parameters<LayerFunction>[4],
      past: Parameters<LayerFunction>[5],
    ): tf.Tensor => {
      const inner: Scope = { ...scope, tensors: weights };
      const { hidden, own } = decoderLayer(inner, config, x, tokens, pass, past);
      return tf.concat([hidden, own.keys, own.values].map((part) => tf.reshape(part, [-1]))); // one tensor, as checkpoint wants
    },
  );
  const joined = run(x, own, pass, past);
  const [hidden, k, v] = tf.split(joined, [rows * width, keys, keys]) as [tf.Tensor, tf.Tensor, tf.Tensor];
  return {
    hidden: tf.reshape(hidden, [rows, width]),
    own: { keys: tf.reshape(k, shape), values: tf.reshape(v, shape) },
  };
};
