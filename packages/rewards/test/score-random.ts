import { createRng, type RewardFunction } from "@vlmr1/core";
import { randomCompletions } from "../src/testing.ts";
import { builtInRewards } from "./built-in-rewards.ts";

/** Scores random completions with every built-in reward and returns what went wrong, at most ten times. */
export function scoreRandom(count: number): string[] {
  const completions = randomCompletions(createRng(7).fork("completions"));
  const problems: string[] = [];
  for (let i = 0; i < count && problems.length < 10; i++) {
    const completion = completions.next().value as string;
    for (const { name, reward, sample, range } of builtInRewards) {
      const value = (reward as RewardFunction)({ completion, sample });
      const right =
        typeof value === "number" &&
        Number.isFinite(value) &&
        value >= range[0] - 1e-12 &&
        value <= range[1] + 1e-12;
      if (!right) problems.push(`${name} returned ${String(value)} for ${JSON.stringify(completion)}`);
    }
  }
  return problems;
}
