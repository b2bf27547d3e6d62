import type { Completion, RewardBreakdown, Sample } from "@vlmr1/core";
import type { GuardEvent } from "./guards.ts";

/** One prompt of a step, the answers to it, and what they earned. */
export interface ScoredGroup<Target = unknown> {
  /** Index in the dataset. */
  readonly index: number;
  readonly sample: Sample<Target>;
  readonly completions: readonly Completion[]; // [G]
  readonly rewards: readonly RewardBreakdown[]; // [G]
  /** Zero where the group was not trained on. */
  readonly advantages: readonly number[]; // [G]
}

/** Wall-clock seconds of a step, by what they were spent on. What no entry names is the trainer's own overhead. */
export interface StepSeconds {
  /** Drawing and decoding prompts. */
  readonly data: number;
  readonly sample: number;
  readonly score: number;
  /** Log-probabilities under the old and the reference policy. */
  readonly logProbs: number;
  /** Forward, backward and optimizer. */
  readonly update: number;
  readonly evaluate: number;
  readonly checkpoint: number;
  readonly total: number;
}

/** What one step did. Everything in `metrics` repeats bit for bit with the seed; `seconds` does not. */
export interface StepReport<Target = unknown> {
  /** Steps done, this one included: 1..steps. */
  readonly step: number;
  readonly steps: number;
  /**
   * Numbers by name: `reward/mean`, `reward/<rule>`, `reward/constant-groups`, `policy/loss`, `policy/kl`, `policy/gradient-norm`,
   * `completion/length`, `eval/<metric>`, ….
   */
  readonly metrics: Readonly<Record<string, number>>;
  readonly seconds: StepSeconds;
  /** Guards that fired. */
  readonly guards: readonly GuardEvent[];
  /** Sentences for a person: dropped updates, a checkpoint that could not be written, what a resumed run found. */
  readonly notes: readonly string[];
  /** What was asked and answered, in every round of the step; empty in supervised fine-tuning. */
  readonly groups: readonly ScoredGroup<Target>[];
  /** The folder of the checkpoint that this step wrote. */
  readonly checkpoint?: string;
  /** Why the run ends with this step, when it does. */
  readonly ending?: RunEnding;
}

/** Why a run ended: all steps done, early stopping, a guard, or the caller's signal. */
export type RunEnding = "finished" | "early-stop" | "guard" | "aborted";

/** What a run returns when it is over (the generator's return value). */
export interface RunSummary {
  readonly ending: RunEnding;
  readonly step: number;
  /** The step of the largest `bestMetric`. */
  readonly best?: { readonly step: number; readonly value: number };
}
