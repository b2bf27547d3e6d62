import { VlmR1Error } from "@vlmr1/core";

/** How rewards become advantages. */
export interface AdvantageOptions {
  /** Completions per prompt; consecutive completions form a group. At least 2. */
  readonly groupSize: number;
  /** Divide by the standard deviation of the group (GRPO), of the whole batch (REINFORCE++), or by nothing (Dr. GRPO). */
  readonly scale: "group" | "batch" | "none";
  /** Compare with the mean of the group, or with the mean of the *other* members (RLOO: unbiased, n/(n-1) larger). */
  readonly baseline: "mean" | "leave-one-out";
}

/** Advantages of N completions, with what a report wants to know about their groups. */
export interface Advantages {
  /** What the policy gradient multiplies each completion with; 0 for a completion that no reward scored. */
  readonly values: number[]; // [N]
  /** The scalar reward each advantage came from; null when no reward applied. */
  readonly rewards: (number | null)[]; // [N]
  /** The standard deviation each completion was, or would have been, divided by. */
  readonly deviations: number[]; // [N]
  /** Whether all rewards of this completion's group are equal: such a group teaches nothing. */
  readonly constant: boolean[]; // [N]
}

/** Added to every standard deviation before dividing, as published (DeepSeekMath's code, TRL, VLM-R1). */
const EPSILON = 1e-4;

/**
 * Group-relative advantages, A = (r - mean) / (std + 1e-4), with the unbiased (n-1) standard deviation.
 *
 * A null reward (no rule applied) is left out of mean and deviation and gets advantage 0. A group whose rewards are all
 * equal gets exactly 0. Throws `invalid-argument` when the rewards are not whole groups of at least 2.
 * Source: DeepSeekMath, arXiv:2402.03300, section 4.1.2 (outcome supervision); RLOO: arXiv:2402.14740.
 */
export function groupAdvantages(rewards: readonly (number | null)[], options: AdvantageOptions): Advantages {
  const { groupSize, scale, baseline } = options;
  checkGroups(rewards.length, groupSize);
  const batchDeviation = deviation(present(rewards));
  const values: number[] = [];
  const deviations: number[] = [];
  const constant: boolean[] = [];
  for (let start = 0; start < rewards.length; start += groupSize) {
    const group = rewards.slice(start, start + groupSize);
    const known = present(group);
    const isConstant = known.every((reward) => reward === known[0]);
    const spread = scale === "batch" ? batchDeviation : deviation(known);
    const average = mean(known);
    const lift = baseline === "leave-one-out" && known.length > 1 ? known.length / (known.length - 1) : 1;
    for (const reward of group) {
      const difference = reward === null || isConstant ? 0 : lift * (reward - average);
      values.push(scale === "none" ? difference : difference / (spread + EPSILON));
      deviations.push(spread);
      constant.push(isConstant);
    }
  }
  return { values, rewards: [...rewards], deviations, constant };
}

/**
 * Adds several rewards with their weights, then forms one advantage: the published way of GRPO.
 * `scores[i][f]` is reward f of completion i; a null is left out of the sum, a row of nulls has no reward at all.
 */
export function sumThenNormalize(
  scores: readonly (readonly (number | null)[])[], // [N, F]
  weights: readonly number[], // [F]
  options: AdvantageOptions,
): Advantages {
  return groupAdvantages(
    scores.map((row) => weighted(row, weights)),
    options,
  );
}

/**
 * Normalises every reward inside its group first, adds them with their weights, then normalises over the batch, so that
 * a reward with a small spread still counts (GDPO). Source: arXiv:2601.05242; equal to TRL's `normalize_then_sum`.
 */
export function normalizeThenSum(
  scores: readonly (readonly (number | null)[])[], // [N, F]
  weights: readonly number[], // [F]
  options: AdvantageOptions,
): Advantages {
  const columns = weights.map((_, f) => {
    const column = scores.map((row) => row[f] ?? null);
    const { values } = groupAdvantages(column, { ...options, scale: "group" });
    return values.map((value, i) => (column[i] === null ? null : value));
  });
  const rewards = scores.map((_, i) =>
    weighted(
      columns.map((column) => column[i] ?? null),
      weights,
    ),
  );
  const known = present(rewards);
  const [average, spread] = [mean(known), deviation(known)];
  const flat = known.every((reward) => reward === known[0]);
  const { constant } = groupAdvantages(rewards, options);
  return {
    values: rewards.map((reward) => (reward === null || flat ? 0 : (reward - average) / (spread + EPSILON))),
    rewards,
    deviations: rewards.map(() => spread),
    constant,
  };
}

function weighted(row: readonly (number | null)[], weights: readonly number[]): number | null {
  if (row.length !== weights.length) {
    throw new VlmR1Error(
      "invalid-argument",
      `${row.length} rewards but ${weights.length} weights: give one weight for each reward.`,
    );
  }
  if (row.every((value) => value === null)) return null;
  return row.reduce<number>((sum, value, f) => sum + (value ?? 0) * (weights[f] as number), 0);
}

function checkGroups(count: number, groupSize: number): void {
  if (!Number.isInteger(groupSize) || groupSize < 2) {
    throw new VlmR1Error(
      "invalid-argument",
      `groupSize must be an integer of at least 2, got ${groupSize}: with one completion every advantage is 0.`,
    );
  }
  if (count % groupSize !== 0) {
    throw new VlmR1Error("invalid-argument", `${count} rewards are not whole groups of ${groupSize}.`);
  }
}

function present(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Unbiased standard deviation; Bessel's correction is rounded to float32, which is what TRL's numbers contain. */
function deviation(values: readonly number[]): number {
  const n = values.length;
  if (n < 2 || values.every((value) => value === values[0])) return 0;
  const average = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / n;
  return Math.sqrt(variance * Math.fround(n / (n - 1)));
}
