import type { Rng, Sample } from "@vlmr1/core";
import type { LoraConfig } from "../lora/lora-config.ts";
import type { Model } from "../model.ts";
import type { Message } from "../text/messages.ts";
import { createUpdater } from "./parameter-update.ts";
import { createPasses } from "./policy-passes.ts";
import { createSampler } from "./policy-sampler.ts";
import { restoreSnapshot, takeSnapshot } from "./policy-state.ts";
import type { Policy } from "@vlmr1/policy";
import { createPromptCache } from "./prompt-of-sample.ts";
import { createRolloutLinears } from "./rollout-linears.ts";
import type { TrainedPart } from "./trained-parameters.ts";
import { openTrainedWeights } from "./trained-weights.ts";
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
  /**
   * Bytes in which an update may find what the linear layers gave while its answers were written (`forTraining`), instead of computing it
   * again: a third of its time. Default 512 MiB; 0 keeps nothing. Only on `cpu`, without checkpointing and without dropout.
   */
  readonly rolloutMemory?: number;
}

const ROLLOUT_MEMORY = 2 ** 29;

/**
 * A model as the trainer of `@vlmr1/grpo` wants it: it answers, tells log-probabilities, takes gradients, and updates its weights in
 * place. An image is encoded once per prompt (once per run when the tower is frozen), and a prompt is computed once for all of its
 * answers, forward and backward. Unlike `model.generate`, `complete` samples from the plain distribution unless it is told otherwise.
 */
export async function createPolicy(model: Model, options: PolicyOptions = {}): Promise<Policy> {
  const { train = "lora", lora, rng, keepReference = true } = options;
  const weights = await openTrainedWeights(model, { train, lora, rng, keepReference });
  const promptOf = createPromptCache(model, options.messages);
  const updater = createUpdater(model.engine, weights.group, weights.pack);
  const { current, reference } = weights;
  const keeps = !options.checkpoint && weights.dropout === 0;
  const rollout = createRolloutLinears(
    model.engine,
    model.architecture,
    keeps ? (options.rolloutMemory ?? ROLLOUT_MEMORY) : 0,
  );
  const layer = options.checkpoint ? checkpointedLayer : undefined;
  const passes = createPasses(model, weights, promptOf, { layer, rollout });
  const bake = train === "lora" && (options.bakeWeights ?? true);
  return {
    complete: createSampler(model, weights, promptOf, bake, rollout),
    logProbs: (groups, { temperature }) => passes.score(current, groups, temperature),
    referenceLogProbs: async (groups, { temperature }) =>
      passes.score(await reference.weights(), groups, temperature),
    async accumulate(batch, loss) {
      const report = await passes.gradient(batch, loss, updater.gradientTarget().views);
      await updater.accumulated();
      return report;
    },
    async apply(optimizer, request) {
      await reference.beforeChange();
      rollout.forget();
      const report = await updater.apply(optimizer, request);
      if (report.applied) weights.updated();
      return report;
    },
    discard: () => updater.discard(),
    syncReference: (mix) => reference.sync(mix),
    snapshot: () => takeSnapshot(weights, updater),
    restore(state) {
      rollout.forget();
      return restoreSnapshot(weights, updater, state);
    },
    save: (directory) => model.save(directory),
    tokenizeCompletion: (text) => [...model.tokenize(text), ...model.generation.stopTokenIds.slice(0, 1)],
  };
}
