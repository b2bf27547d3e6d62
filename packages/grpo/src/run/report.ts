import type { RolloutGroup } from "../rollout/rollout.ts";
import type { PromptProgress } from "../rollout/prompts.ts";
import type { GuardEvent, GuardMemory } from "./guards.ts";

/** Where a run is. With the policy's state and the seed it is everything a resumed run needs; it is saved as JSON. */
export interface Progress extends PromptProgress {
  /** Optimizer updates applied since the state began: Adam's t. */
  updates: number;
  /** Updates asked for, dropped ones included: what the learning-rate schedule counts. */
  scheduled: number;
  /** Dropped updates in a row. */
  dropped: number;
  /** How often a guard returned the run to its last good state. */
  rollbacks: number;
  /** Product of the rollbacks' factors. */
  rateFactor: number;
  guards: readonly GuardMemory[];
  /** Largest value of the metric that early stopping watches, and measurements since. */
  watched: { readonly best: number | null; readonly waited: number };
  /** Largest value of the metric that marks the best checkpoint, and its step. */
  best: { readonly value: number; readonly step: number } | null;
}

/** Progress of a run that has not begun. */
export function initialProgress(): Progress {
  return {
    step: 0,
    updates: 0,
    scheduled: 0,
    dropped: 0,
    rollbacks: 0,
    rateFactor: 1,
    promptsDrawn: 0,
    prompts: {},
    guards: [],
    watched: { best: null, waited: 0 },
    best: null,
  };
}

/** Wall-clock seconds of a step, by what they were spent on. What no entry names is the trainer's own overhead. */
export interface StepSeconds {
  /** Drawing and decoding prompts. */
  readonly data: number;
  /** Writing completions. */
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
  /** Every rollout of the step, those that were drawn again included; empty in supervised fine-tuning. */
  readonly groups: readonly RolloutGroup<Target>[];
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
  /** How often a guard returned the run to its last good state, when one did: what those steps learned is not in the weights. */
  readonly rollbacks?: number;
  /** The step of the largest `bestMetric`. */
  readonly best?: { readonly step: number; readonly value: number };
}

/** Measures how long named phases take, in seconds. */
export interface Stopwatch<Phase extends string> {
  /** Runs `work` and adds its duration to `phase`. */
  time<T>(phase: Phase, work: () => Promise<T>): Promise<T>;
  /** Seconds so far, by phase. */
  readonly seconds: Readonly<Record<Phase, number>>;
}

/** A stopwatch at zero. */
export function createStopwatch<Phase extends string>(phases: readonly Phase[]): Stopwatch<Phase> {
  const seconds = Object.fromEntries(phases.map((phase) => [phase, 0])) as Record<Phase, number>;
  return {
    seconds,
    time: async (phase, work) => {
      const begin = performance.now();
      try {
        return await work();
      } finally {
        seconds[phase] += (performance.now() - begin) / 1000;
      }
    },
  };
}
