import {
  VlmR1Error,
  type RewardBreakdown,
  type RewardFunction,
  type RewardInput,
  type ScoreFunction,
} from "@vlmr1/core";
import { atStep, type StepValue } from "./schedule.ts";

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
