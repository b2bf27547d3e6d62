import {
  type RewardBreakdown,
  type RewardFunction,
  type RewardInput,
  type ScoreFunction,
  VlmR1Error,
} from "@vlmr1/core";

/**
 * One part of a {@link weightedSum}: a reward with weight 1, or a weight (which may follow the training
 * step) and a reward.
 */
// `never` accepts rewards of every target; TargetOf recovers what each one needs.
export type WeightedReward =
  | RewardFunction<never>
  | readonly [weight: StepValue, reward: RewardFunction<never>];

/** The target that every reward of a record can read: the intersection of what each one needs. */
export type TargetOf<Rewards extends Readonly<Record<string, WeightedReward>>> = Intersection<
  { [Name in keyof Rewards]: [NeededBy<Rewards[Name]>] }[keyof Rewards]
>;

type NeededBy<Part> =
  Part extends RewardFunction<infer Target>
    ? Target
    : Part extends readonly [StepValue, RewardFunction<infer Target>]
      ? Target
      : never;

// Each need travels inside a tuple so that a need that is itself a union (box or point) is not taken apart.
type Intersection<Needs> = (Needs extends readonly [infer Need] ? (need: Need) => void : never) extends (
  need: infer All,
) => void
  ? All
  : never;

/**
 * Adds rewards up: total = sum of weight times reward, with each reward's own value beside it under the
 * name the caller gave it.
 *
 * `weightedSum({ iou: iouReward(), format: [0.5, formatReward()] })`. The target type is inferred, so a
 * dataset that lacks what a reward needs does not compile.
 *
 * @throws VlmR1Error `invalid-argument` for an empty record or a weight that is not finite;
 * `reward-failed`, naming the reward and the sample, when a reward throws or returns something that is no
 * finite number.
 */
export function weightedSum<const Rewards extends Readonly<Record<string, WeightedReward>>>(
  rewards: Rewards,
): ScoreFunction<TargetOf<Rewards>> {
  const parts = Object.entries(rewards as Readonly<Record<string, WeightedReward>>).map(
    ([name, part]): [string, StepValue, RewardFunction] => {
      const [weight, reward] = typeof part === "function" ? [1, part] : part;
      if (typeof weight === "number" && !Number.isFinite(weight)) throw badWeight(name, weight);
      return [name, weight as StepValue, reward as RewardFunction];
    },
  );
  if (parts.length === 0) {
    throw new VlmR1Error("invalid-argument", "weightedSum needs at least one reward, got an empty record.");
  }
  return async (input): Promise<RewardBreakdown> => {
    const values = await Promise.all(parts.map(([name, , reward]) => valueOf(name, reward, input)));
    const scores: Record<string, number> = {};
    let total = 0;
    parts.forEach(([name, weight], i) => {
      const now = atStep(weight, input.step);
      if (!Number.isFinite(now)) throw badWeight(name, now);
      scores[name] = values[i] as number;
      total += now * (values[i] as number);
    });
    return { total, scores };
  };
}

/** One reward's value; whatever goes wrong is reported with its name and the sample's id. */
async function valueOf(name: string, reward: RewardFunction, input: RewardInput): Promise<number> {
  let value: unknown;
  try {
    value = await reward(input);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VlmR1Error(
      "reward-failed",
      `Reward "${name}" failed on sample "${input.sample.id}": ${reason}`,
      { cause },
    );
  }
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new VlmR1Error(
    "reward-failed",
    `Reward "${name}" returned ${String(value)} for sample "${input.sample.id}": a reward must be a finite number.`,
  );
}

function badWeight(name: string, weight: number): VlmR1Error {
  return new VlmR1Error(
    "invalid-argument",
    `weightedSum: the weight of "${name}" must be finite, got ${weight}.`,
  );
}

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

/**
 * Keeps a reward within [low, high].
 *
 * @throws VlmR1Error `invalid-argument` unless low <= high.
 */
export function clip<Target>(
  reward: RewardFunction<Target>,
  low: number,
  high: number,
): RewardFunction<Target> {
  if (!(low <= high)) {
    throw new VlmR1Error(
      "invalid-argument",
      `clip: low must not exceed high, got low ${low} and high ${high}.`,
    );
  }
  const clipped = (value: number): number => Math.min(high, Math.max(low, value));
  return (input) => {
    const value = reward(input);
    return typeof value === "number" ? clipped(value) : value.then(clipped);
  };
}
