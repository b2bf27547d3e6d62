import type { GrpoConfig } from "./config.ts";
import type { TrainingGroup } from "@vlmr1/policy";
import type { ScoredGroup } from "./report.ts";
import { isConstant } from "./reward-advantages.ts";
import type { UpdateOutcome } from "./update.ts";

/** Numbers about what was answered and earned, by metric name. */
export function rolloutMetrics(
  groups: readonly ScoredGroup[],
  combine: GrpoConfig["combine"],
): Record<string, number> {
  const rewards = groups.flatMap((group) => group.rewards);
  const completions = groups.flatMap((group) => group.completions);
  const totals = rewards.map(({ total }) => total);
  const lengths = completions.map(({ tokenIds }) => tokenIds.length);
  const names = Object.keys(rewards[0]?.scores ?? {});
  const parts = names.map(
    (name) => [`reward/${name}`, mean(rewards.map(({ scores }) => scores[name] ?? 0))] as const,
  );
  return {
    "reward/mean": mean(totals),
    "reward/deviation": deviation(totals),
    "reward/constant-groups": mean(groups.map((group) => (isConstant(group, combine) ? 1 : 0))),
    ...Object.fromEntries(parts),
    "completion/length": mean(lengths),
    "completion/longest": Math.max(...lengths),
    "completion/truncated": mean(completions.map(({ finishReason }) => (finishReason === "stop" ? 0 : 1))),
  };
}

/** Numbers about the updates of a step: means over those that were made. */
export function updateMetrics(
  updates: readonly UpdateOutcome[],
  learningRate: number,
): Record<string, number> {
  const made = updates.filter(({ applied }) => applied);
  const names = Object.keys(made[0]?.metrics ?? {});
  const average = (name: string) => mean(made.map(({ metrics }) => metrics[name] ?? 0));
  return {
    "policy/updates": made.length,
    "policy/dropped": updates.length - made.length,
    "policy/learning-rate": learningRate,
    ...(made.length > 0 && {
      "policy/loss": mean(made.map(({ loss }) => loss)),
      "policy/gradient-norm": mean(made.map(({ gradientNorm }) => gradientNorm)),
    }),
    ...Object.fromEntries(names.map((name) => [`policy/${dashed(name)}`, average(name)])),
  };
}

/** Mean and largest |log pi_policy - log pi_sampler| over tokens: how far the sampler is from the policy. */
export function samplerGap(
  policy: readonly (readonly ArrayLike<number>[])[],
  groups: readonly Pick<TrainingGroup, "samplerLogProbs">[],
): Record<string, number> {
  let [sum, largest, count] = [0, 0, 0];
  policy.forEach((group, g) =>
    group.forEach((logProbs, i) => {
      for (let t = 0; t < logProbs.length; t++) {
        const gap = Math.abs((logProbs[t] as number) - (groups[g]?.samplerLogProbs?.[i]?.[t] ?? 0));
        sum += gap;
        largest = Math.max(largest, gap);
        count++;
      }
    }),
  );
  return { "sampler/log-prob-gap": count === 0 ? 0 : sum / count, "sampler/log-prob-gap-largest": largest };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const average = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - average) ** 2)));
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
