/**
 * `cosine_reward`: 1 for an empty completion down to 0.5 at 1024 tokens.
 *
 * Bugs kept: the accuracy that should choose the branch is overwritten by 1.0, so wrong answers are paid
 * like right ones; nothing is clamped, so the cosine rises again past 1024 tokens. Fixed twin:
 * `cosineLengthReward`.
 */
export function cosineReward(tokenCount: number): number {
  const longest = 1024;
  return 1 - ((1 - 0.5) * (1 - Math.cos((tokenCount * Math.PI) / longest))) / 2;
}
