import { VlmR1Error, type RewardFunction, type RewardInput } from "@vlmr1/core";

/** A number, or one that follows the training step. Outside training the step counts as 0. */
export type StepValue = number | ((step: number) => number);

/** The value of a {@link StepValue} at a step. */
export function atStep(value: StepValue, step = 0): number {
  return typeof value === "number" ? value : value(step);
}

/** From which step on a value holds. The first stage starts at 0; steps increase. */
export type Stages<T> = readonly (readonly [fromStep: number, value: T])[];

/**
 * Changes a rule as training goes on: numbers give a {@link StepValue} for weights and thresholds, rewards
 * give a reward.
 *
 * `schedule([[0, 0.5], [1500, 0.75]])` raises a threshold at step 1500 (Vision-R1's progressive rule);
 * `schedule([[0, iouReward()], [500, iouAtLeast(0.7)]])` replaces one reward by another. Outside training
 * (no step) the first stage holds.
 *
 * @throws VlmR1Error `invalid-argument` when there is no stage at 0 or steps do not increase.
 */
export function schedule(stages: Stages<number>): (step: number) => number;
export function schedule<Target>(stages: Stages<RewardFunction<Target>>): RewardFunction<Target>;
export function schedule<Target>(
  stages: Stages<number> | Stages<RewardFunction<Target>>,
): ((step: number) => number) | RewardFunction<Target> {
  check(stages);
  if (typeof stages[0]?.[1] === "number") {
    return (step: number): number => stageAt(stages as Stages<number>, step);
  }
  const rewards = stages as Stages<RewardFunction<Target>>;
  return (input: RewardInput<Target>) => stageAt(rewards, input.step ?? 0)(input);
}

/**
 * A number that moves in a straight line from `from` at step `start` to `to` at step `end`, constant before
 * and after.
 */
export function ramp(
  from: number,
  to: number,
  { start = 0, end }: { readonly start?: number; readonly end: number },
): (step: number) => number {
  if (!(end > start)) {
    throw new VlmR1Error(
      "invalid-argument",
      `ramp: end must be after start, got start ${start} and end ${end}.`,
    );
  }
  return (step) => from + (to - from) * Math.min(1, Math.max(0, (step - start) / (end - start)));
}

function stageAt<T>(stages: Stages<T>, step: number): T {
  const stage = stages.findLast(([fromStep]) => fromStep <= step) ?? stages[0];
  return (stage as Stages<T>[number])[1];
}

function check(stages: Stages<unknown>): void {
  const steps = stages.map(([fromStep]) => fromStep);
  if (steps[0] === 0 && steps.every((step, i) => i === 0 || step > (steps[i - 1] as number))) return;
  throw new VlmR1Error(
    "invalid-argument",
    `schedule: stages must begin at step 0 and increase, got steps [${steps.join(", ")}].`,
  );
}
