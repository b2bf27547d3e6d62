import type { RewardBreakdown } from "@vlmr1/core";
import { groupAdvantages, normalizeThenSum } from "./advantages.ts";
import type { GrpoConfig } from "./config.ts";

type Combine = GrpoConfig["combine"];

/** Advantages of scored answers as the configuration wants them, one per completion, by group. [P][G] */
export function rewardAdvantages(
  groups: readonly (readonly RewardBreakdown[])[], // [P][G]
  config: Pick<GrpoConfig, "groupSize" | "scale" | "baseline" | "combine" | "rewardWeights">,
): number[][] {
  const { groupSize, combine, rewardWeights } = config;
  const rewards = groups.flat();
  const names = Object.keys(rewards[0]?.scores ?? {});
  const totals = rewards.map(({ total }) => total);
  const scores = rewards.map((reward) => names.map((name) => reward.scores[name] ?? null)); // [N, F]
  const weights = names.map((name) => rewardWeights[name] ?? 1); // [F]
  const { values } =
    combine === "sum-then-normalize"
      ? groupAdvantages(totals, config)
      : normalizeThenSum(scores, weights, config);
  return groups.map((_, g) => values.slice(g * groupSize, (g + 1) * groupSize));
}

/** Whether a group has nothing to compare: all totals equal, or, when each reward is normalised by itself, all of each. */
export function isConstant(
  { rewards }: { readonly rewards: readonly RewardBreakdown[] },
  combine: Combine,
): boolean {
  const [first] = rewards;
  if (combine === "sum-then-normalize") return rewards.every(({ total }) => total === first?.total);
  const names = Object.keys(first?.scores ?? {});
  return rewards.every(({ scores }) => names.every((name) => scores[name] === first?.scores[name]));
}
