import type { Completion, CompletionModel, Rng, Sample } from "@vlmr1/core";
import type { PolicyLoss } from "./policy-loss.ts";
import type { Optimizer } from "./optimizer.ts";

/** One prompt and the answers to it that a loss or a log-probability is wanted for. */
export interface CompletionGroup {
  readonly sample: Sample;
  readonly completions: readonly Pick<Completion, "tokenIds">[];
}

/** A group with the per-completion numbers that the losses take. Every array has one entry per completion of the group. */
export interface TrainingGroup extends CompletionGroup {
  /** A_i, one number per completion. */
  readonly advantages: readonly number[];
  /** log pi_old per token. Absent: the policy that is being updated is the one that sampled (ratio 1, no second forward). */
  readonly oldLogProbs?: readonly (readonly number[])[];
  /** log pi_ref per token. Absent when beta is 0. */
  readonly referenceLogProbs?: readonly (readonly number[])[];
  /** log pi of the sampler per token, when the sampler is not the policy (truncated importance sampling). */
  readonly samplerLogProbs?: readonly (readonly number[])[];
  /** 1 counts, 0 does not (truncated answers, entropy masks). Absent: every token of every completion counts. */
  readonly tokenMasks?: readonly (readonly number[])[];
}

/** One micro-batch: groups may have different prompts and lengths; the policy pads, and padding changes no number. */
export interface TrainingBatch {
  readonly groups: readonly TrainingGroup[];
  /**
   * Numbers of the WHOLE optimizer step that a loss divides by, the same for each of its micro-batches: `completions` (how many) and
   * `tokens` (how many count), `maxNewTokens`. Losses add up over micro-batches: no rescaling by the caller.
   */
  readonly totals: { readonly completions: number; readonly tokens: number; readonly maxNewTokens: number };
  /** Divides logits before log-probabilities are taken; the sampling temperature. */
  readonly temperature: number;
  /** Micro-batches of this optimizer step; some losses average over them. */
  readonly microBatches: number;
  /** Where dropout's noise comes from; a policy without dropout ignores it. */
  readonly rng: Rng;
}

/** What one call of {@link Policy.accumulate} measured. */
export interface AccumulateReport {
  /** This micro-batch's share of the loss. */
  readonly loss: number;
  /** The loss's own scalar metrics, by name (`kl`, `clipFraction`, …). */
  readonly metrics: Readonly<Record<string, number>>;
  /** log pi_theta per group, completion and token, from the forward that made the gradient. */
  readonly logProbs: readonly (readonly Float32Array[])[];
  /** Entropy of the policy per group, completion and token, when the loss asked for it. */
  readonly entropies?: readonly (readonly Float32Array[])[];
}

/** How {@link Policy.apply} moves the weights. */
export interface ApplyOptions {
  readonly learningRate: number;
  /** Updates applied before this one, from 0: the trainer keeps it. */
  readonly step: number;
  /** Absent: the gradient is not clipped. */
  readonly maxGradientNorm?: number;
  /**
   * Changes the accumulated gradient in place before its norm is taken: adds those of other processes. A policy that has accumulated
   * nothing offers zeros then; without it, that is an error. One whose loss was not finite offers NaN: nobody applies such an update.
   */
  readonly combineGradient?: (gradient: Float32Array) => Promise<void>;
}

/** What one call of {@link Policy.apply} did. */
export interface ApplyReport {
  /** Global L2 norm of the accumulated gradient before clipping. */
  readonly gradientNorm: number;
  /** False when loss or gradient was not finite: then no weight and no moment changed. */
  readonly applied: boolean;
  /** Norm of the trained weights after the update, divided by that before: near 1 as long as a run is sound. Not finite: destroyed. */
  readonly weightGrowth?: number;
}

/** Everything a run needs to continue bit for bit, in named flat arrays (parameters, and each state buffer of the optimizer). */
export type PolicyState = Readonly<Record<string, Float32Array>>;

/**
 * What the trainer needs of a model. `createPolicy` of @vlmr1/model makes one; thirty lines of arithmetic satisfy it in a test.
 *
 * It is also the default sampler: `complete` answers with the current weights.
 */
export interface Policy extends CompletionModel {
  /**
   * Set when completions for training are drawn from an approximation of the policy, and how its weights are stored (`int8`, `int4`). The
   * trainer then hands their log-probabilities back as `samplerLogProbs`, and measures the gap.
   */
  readonly rolloutPrecision?: "int8" | "int4";
  /** log pi_theta of given tokens: per group, completion and token. Temperature as in {@link TrainingBatch}. */
  logProbs(
    groups: readonly CompletionGroup[],
    options: { temperature: number },
  ): Promise<readonly (readonly Float32Array[])[]>;
  /** The same under the reference policy: adapter off, or the frozen copy. */
  referenceLogProbs(
    groups: readonly CompletionGroup[],
    options: { temperature: number },
  ): Promise<readonly (readonly Float32Array[])[]>;
  /** Adds the gradient of `loss` on this micro-batch to what is accumulated. */
  accumulate(batch: TrainingBatch, loss: PolicyLoss): Promise<AccumulateReport>;
  /**
   * Clips the accumulated gradient by its global norm (times `min(1, maxGradientNorm / (norm + 1e-6))`), updates the weights in
   * place, and starts over from zero.
   *
   * @throws VlmR1Error `invalid-argument` when nothing was accumulated since the last `apply` or `discard`.
   */
  apply(optimizer: Optimizer, options: ApplyOptions): Promise<ApplyReport>;
  /** Forgets what is accumulated. */
  discard(): void;
  /** Moves the reference towards the policy: ref = mix * policy + (1 - mix) * ref. Not for adapters over a frozen base with mix < 1. */
  syncReference(mix: number): Promise<void>;
  /** A copy of all that changes in training: parameters, optimizer state, and the reference once `syncReference` moved it. */
  snapshot(): Promise<PolicyState>;
  /** @throws VlmR1Error `invalid-data` when names or sizes are not this policy's; nothing is changed then. */
  restore(state: PolicyState): Promise<void>;
  /** Writes the model (or adapter) in Hugging Face's formats. */
  save(directory: string): Promise<void>;
  /** The tokens that supervised fine-tuning imitates for this text, the end token included. */
  tokenizeCompletion(text: string): readonly number[];
}
