import { VlmR1Error, type RewardFunction, type RewardInput } from "@vlmr1/core";
import { completionLength } from "../shape/length.ts";
import { malformed } from "../target.ts";
import { cosineReward } from "./length.ts";
import { iouReward, type Rescaling } from "./iou.ts";

/**
 * The truth as VLM-R1 has it: the text of its `solution` column, such as `<answer> [1, 2, 3, 4] </answer>`.
 */
export interface SolutionTarget {
  readonly solution: string;
}

/** A published rule: a score from the texts of completion and solution; null where Python returns None. */
export type PublishedRule = (content: string, solution: string) => number | null;

/**
 * A published rule as a reward. Where the published code crashes, which a reward must not do because a
 * model wrote something, it is 0.
 *
 * The reward throws VlmR1Error `invalid-data` for a malformed solution.
 */
export function published(rule: PublishedRule): RewardFunction<SolutionTarget> {
  return ({ completion, sample }) => {
    try {
      return rule(completion, solutionOf(sample)) ?? 0;
    } catch (error) {
      if (VlmR1Error.is(error, "unsupported")) return 0;
      throw error;
    }
  };
}

/**
 * {@link iouReward} of the Qwen module as a reward: `rescale` gives the sizes for a sample; without it
 * nothing is rescaled.
 */
export function publishedIou(
  rescale?: (sample: RewardInput<SolutionTarget>["sample"]) => Rescaling,
): RewardFunction<SolutionTarget> {
  return ({ completion, sample }) => iouReward(completion, solutionOf(sample), rescale?.(sample));
}

/** {@link cosineReward} as a reward; words stand in for tokens when the caller does not know them. */
export function publishedCosine(): RewardFunction {
  return (input) => cosineReward(completionLength(input));
}

function solutionOf(sample: RewardInput<SolutionTarget>["sample"]): string {
  const target: unknown = sample.target;
  const solution: unknown =
    typeof target === "object" && target !== null ? (target as Partial<SolutionTarget>).solution : undefined;
  if (typeof solution === "string") return solution;
  throw malformed(sample, "solution", 'text such as "<answer> A </answer>"', solution);
}
