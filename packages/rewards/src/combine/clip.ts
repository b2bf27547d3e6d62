import { VlmR1Error, type RewardFunction } from "@vlmr1/core";

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
