import type { RewardFunction } from "@vlmr1/core";
import { atStep, type StepValue } from "./schedule.ts";

/** When a gate opens and what a closed one pays. */
export interface GateOptions {
  /** The condition has passed when it reaches this. Default 1. */
  readonly atLeast?: StepValue;
  /** What a completion earns that did not pass. Default 0. */
  readonly otherwise?: number;
}

/**
 * The second reward, but only if the first has passed: `gate(formatReward(), iouReward())` pays for a box
 * in the right format alone. The second is not even computed when the gate is closed, so an expensive judge
 * can stand behind a cheap check.
 */
export function gate<Condition, Target>(
  condition: RewardFunction<Condition>,
  reward: RewardFunction<Target>,
  { atLeast = 1, otherwise = 0 }: GateOptions = {},
): RewardFunction<Condition & Target> {
  return (input) => {
    const open = (value: number): boolean => value >= atStep(atLeast, input.step);
    const value = condition(input);
    if (typeof value === "number") return open(value) ? reward(input) : otherwise;
    return value.then((awaited) => (open(awaited) ? reward(input) : otherwise));
  };
}
