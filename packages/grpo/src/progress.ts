import type { GuardMemory } from "./guards.ts";

/** How often a prompt was answered, and how much its answers differed last. */
export interface PromptRecord {
  readonly visits: number;
  /** Smoothed standard deviation of its rewards. */
  readonly spread: number;
}

/** Where a run is. With the policy's state and the seed it is everything a resumed run needs; it is saved as JSON. */
export interface Progress {
  /** Steps done. */
  step: number;
  /** Optimizer updates applied since the state began: Adam's t. */
  updates: number;
  /** Updates asked for, dropped ones included: what the learning-rate schedule counts. */
  scheduled: number;
  /** Dropped updates in a row. */
  dropped: number;
  /** Product of the rollbacks' factors. */
  rateFactor: number;
  /** Prompts drawn so far. */
  promptsDrawn: number;
  /** What difficulty-aware sampling knows, by index of the prompt. */
  prompts: Record<number, PromptRecord>;
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
    rateFactor: 1,
    promptsDrawn: 0,
    prompts: {},
    guards: [],
    watched: { best: null, waited: 0 },
    best: null,
  };
}
