import { VlmR1Error, type RewardFunction, type RewardInput } from "@vlmr1/core";
import { countWords } from "../read/characters.ts";

/** The lengths and values of {@link cosineLengthReward}. */
export interface CosineLength {
  /**
   * From this length on the reward stays where it is. In tokens, or words when the caller does not know
   * tokens.
   */
  readonly maxLength: number;
  /** A completion is correct when the accuracy reward reaches this. Default 1. */
  readonly correctAt?: number;
  /** What a correct completion earns when short and when long. Default [1, 0.5]. */
  readonly correct?: readonly [short: number, long: number];
  /**
   * What a wrong completion earns when short and when long. Default [-1, -0.5]: a wrong answer should think
   * longer.
   */
  readonly wrong?: readonly [short: number, long: number];
}

/**
 * Pays short correct answers more than long ones and long wrong answers more than short ones, along half a
 * cosine.
 *
 * Demystifying Long Chain-of-Thought Reasoning (Yeo et al. 2025, arXiv 2502.03373), eq. 1; defaults and
 * clamping as TRL's `get_cosine_scaled_reward`. Range: the smallest to the largest of the four values.
 */
export function cosineLengthReward<Target>(
  accuracy: RewardFunction<Target>,
  { maxLength, correctAt = 1, correct = [1, 0.5], wrong = [-1, -0.5] }: CosineLength,
): RewardFunction<Target> {
  if (!(maxLength > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `cosineLengthReward: maxLength must be positive, got ${maxLength}.`,
    );
  }
  return (input) => {
    const progress = Math.min(1, completionLength(input) / maxLength);
    const shape = (1 + Math.cos(Math.PI * progress)) / 2; // 1 when short, 0 when long
    const scaled = (value: number): number => {
      const [short, long] = value >= correctAt ? correct : wrong;
      return long + (short - long) * shape;
    };
    const value = accuracy(input);
    return typeof value === "number" ? scaled(value) : value.then(scaled);
  };
}

/**
 * 0 up to `maxLength - cache`, then a straight line down to -1 at `maxLength`, and -1 beyond, -1..0.
 *
 * DAPO (Yu et al. 2025, arXiv 2503.14476), eq. 13, soft overlong punishment.
 */
export function softOverlongReward({
  maxLength,
  cache,
}: {
  readonly maxLength: number;
  readonly cache: number;
}): RewardFunction {
  if (!(cache > 0 && maxLength >= cache)) {
    throw new VlmR1Error(
      "invalid-argument",
      `softOverlongReward: 0 < cache <= maxLength, got cache ${cache} and maxLength ${maxLength}.`,
    );
  }
  return (input) => -Math.min(1, Math.max(0, (completionLength(input) - (maxLength - cache)) / cache));
}

/** How long a completion is: its tokens when the caller knows them, else its words. */
export function completionLength({ completion, tokenCount }: RewardInput): number {
  return tokenCount ?? countWords(completion);
}
