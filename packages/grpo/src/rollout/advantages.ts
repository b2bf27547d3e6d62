import { hasZeroVariance, mean, VlmR1Error, type RewardBreakdown } from "@vlmr1/core";
import { z } from "zod";

/** How rewards become advantages. */
export const AdvantageOptions = z.strictObject({
  scale: z
    .enum(["group", "batch", "none"])
    .default("group")
    .describe(
      "Divide advantages by the deviation of the group (GRPO), of the batch, or by nothing (Dr. GRPO).",
    ),
  baseline: z
    .enum(["mean", "leave-one-out"])
    .default("mean")
    .describe("Compare an answer with its group's mean, or with the mean of the others (RLOO)."),
  combine: z
    .enum(["sum-then-normalize", "normalize-then-sum"])
    .default("sum-then-normalize")
    .describe("Add rewards first, or normalise each inside its group first (GDPO)."),
  rewardWeights: z
    .record(z.string(), z.number())
    .default({})
    .describe("normalize-then-sum: weight of each reward by name; 1 where absent."),
});
export type AdvantageOptions = z.output<typeof AdvantageOptions>;

/** How the rewards of one column become advantages: completions per prompt (consecutive ones form a group; at least 2), scale and baseline. */
export interface GroupOptions extends Pick<AdvantageOptions, "scale" | "baseline"> {
  readonly groupSize: number;
}

/** Advantages of the completions of a step as the configuration wants them, one per completion, by group. [P][G] */
export function computeAdvantages(
  groups: readonly (readonly RewardBreakdown[])[], // [P][G]
  options: AdvantageOptions & GroupOptions,
): number[][] {
  const { groupSize, combine, rewardWeights } = options;
  const breakdowns = groups.flat();
  const names = Object.keys(breakdowns[0]?.scores ?? {});
  const totals = breakdowns.map(({ total }) => total);
  const rewards = breakdowns.map(({ scores }) => names.map((name) => scores[name] ?? null)); // [N, F]
  const weights = names.map((name) => rewardWeights[name] ?? 1); // [F]
  const { values } =
    combine === "sum-then-normalize"
      ? groupAdvantages(totals, options)
      : normalizeThenSum(rewards, weights, options);
  return groups.map((_, g) => values.slice(g * groupSize, (g + 1) * groupSize));
}

/** Whether a group has nothing to compare: no variance in the totals or, when each reward is normalised by itself, in any of them. */
export function isZeroVarianceGroup(
  rewards: readonly RewardBreakdown[],
  combine: AdvantageOptions["combine"],
): boolean {
  if (combine === "sum-then-normalize") return hasZeroVariance(rewards.map(({ total }) => total));
  const names = Object.keys(rewards[0]?.scores ?? {});
  return names.every((name) => hasZeroVariance(rewards.map(({ scores }) => scores[name] ?? 0)));
}

/** Advantages of N completions, with what a report wants to know about their groups. */
export interface Advantages {
  /** What the policy gradient multiplies each completion with; 0 for a completion that no reward scored. */
  readonly values: number[]; // [N]
  /** The scalar reward each advantage came from; null when no reward applied. */
  readonly rewards: (number | null)[]; // [N]
  /** The standard deviation each completion was, or would have been, divided by. */
  readonly stds: number[]; // [N]
  /** Whether all rewards of this completion's group are equal but for rounding: such a group teaches nothing. */
  readonly zeroVariance: boolean[]; // [N]
}

/** Added to every standard deviation before dividing, as published (DeepSeekMath's code, TRL, VLM-R1). */
const EPSILON = 1e-4;

/**
 * Group-relative advantages, A = (r - mean) / (std + 1e-4), with the unbiased (n-1) standard deviation.
 *
 * A null reward (no rule applied) is left out of mean and deviation and gets advantage 0. A group without
 * variance gets exactly 0. Throws `invalid-argument` when the rewards are not whole groups of at least 2.
 * Source: DeepSeekMath, arXiv:2402.03300, section 4.1.2 (outcome supervision); RLOO: arXiv:2402.14740.
 */
export function groupAdvantages(rewards: readonly (number | null)[], options: GroupOptions): Advantages {
  const { groupSize, scale, baseline } = options;
  checkGroups(rewards.length, groupSize);
  const batchStd = sampleStd(present(rewards));
  const values: number[] = [];
  const stds: number[] = [];
  const zeroVariance: boolean[] = [];
  for (let start = 0; start < rewards.length; start += groupSize) {
    const group = rewards.slice(start, start + groupSize);
    const known = present(group);
    const isFlat = hasZeroVariance(known);
    const spread = scale === "batch" ? batchStd : sampleStd(known);
    const average = mean(known);
    const lift = baseline === "leave-one-out" && known.length > 1 ? known.length / (known.length - 1) : 1;
    for (const reward of group) {
      const difference = reward === null || isFlat ? 0 : lift * (reward - average);
      values.push(scale === "none" ? difference : difference / (spread + EPSILON));
      stds.push(spread);
      zeroVariance.push(isFlat);
    }
  }
  return { values, rewards: [...rewards], stds, zeroVariance };
}

/**
 * Adds several rewards with their weights, then forms one advantage: the published way of GRPO.
 * `rewards[i][f]` is reward f of completion i; a null is left out of the sum, a row of nulls has no reward at all.
 */
export function sumThenNormalize(
  rewards: readonly (readonly (number | null)[])[], // [N, F]
  weights: readonly number[], // [F]
  options: GroupOptions,
): Advantages {
  return groupAdvantages(
    rewards.map((row) => weighted(row, weights)),
    options,
  );
}

/**
 * Normalises every reward inside its group first, adds them with their weights, then normalises over the batch, so that
 * a reward with a small spread still counts (GDPO). Source: arXiv:2601.05242; equal to TRL's `normalize_then_sum`.
 */
export function normalizeThenSum(
  rewards: readonly (readonly (number | null)[])[], // [N, F]
  weights: readonly number[], // [F]
  options: GroupOptions,
): Advantages {
  const columns = weights.map((_, f) => {
    const column = rewards.map((row) => row[f] ?? null);
    const { values } = groupAdvantages(column, { ...options, scale: "group" });
    return values.map((value, i) => (column[i] === null ? null : value));
  });
  const totals = rewards.map((_, i) =>
    weighted(
      columns.map((column) => column[i] ?? null),
      weights,
    ),
  );
  const known = present(totals);
  const [average, spread] = [mean(known), sampleStd(known)];
  const flat = hasZeroVariance(known);
  const { zeroVariance } = groupAdvantages(totals, options);
  return {
    values: totals.map((reward) => (reward === null || flat ? 0 : (reward - average) / (spread + EPSILON))),
    rewards: totals,
    stds: totals.map(() => spread),
    zeroVariance,
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

/** Unbiased standard deviation; Bessel's correction is rounded to float32, which is what TRL's numbers contain. */
function sampleStd(values: readonly number[]): number {
  if (hasZeroVariance(values)) return 0;
  const n = values.length;
  const average = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / n;
  return Math.sqrt(variance * Math.fround(n / (n - 1)));
}
