import { VlmR1Error, type RewardFunction, type RewardInput } from "@vlmr1/core";
import { completionLength } from "../shape/length.ts";
import { malformed } from "../target.ts";
import { allMatchReward, defaultAccuracyReward, mathReward } from "./accuracy.ts";
import { mcqReward, yesNoReward } from "./choice.ts";
import { mapReward, odAp50Reward, odLengthReward, odReward, weightedSumReward } from "./detection.ts";
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

/** The truth of a row that says which rule scores it: VLM-R1's `accu_reward_method`. */
export interface RowTarget extends SolutionTarget {
  readonly rewardMethod: string;
}

/** VLM-R1's rules of accuracy by the names that its data use (`accuracy_reward` of `grpo_jsonl.py`). */
const rulesByMethod: Readonly<Record<string, PublishedRule>> = {
  default: defaultAccuracyReward,
  mcq: mcqReward,
  yes_no: yesNoReward,
  map: mapReward,
  math: mathReward,
  weighted_sum: weightedSumReward,
  od_ap: odReward,
  od_ap50: odAp50Reward,
  odLength: odLengthReward,
  all_match: allMatchReward,
};

/**
 * Scores each row by the rule that it names itself, so that one run mixes tasks.
 *
 * The reward throws VlmR1Error `invalid-data` for a method that is none of VLM-R1's, where the published code falls back
 * to `default`, and `unsupported` for `llm`, which needs a judge.
 */
export function publishedAccuracy(): RewardFunction<RowTarget> {
  const rewards = Object.entries(rulesByMethod).map(([method, rule]) => [method, published(rule)] as const);
  const byMethod = new Map(rewards);
  return (input) => {
    const { rewardMethod } = input.sample.target as Partial<RowTarget>;
    const reward = byMethod.get(rewardMethod ?? "");
    if (reward) return reward(input);
    const known = Object.keys(rulesByMethod).join(", ");
    if (rewardMethod !== "llm") {
      throw malformed(input.sample, "rewardMethod", `one of ${known}`, rewardMethod);
    }
    throw new VlmR1Error(
      "unsupported",
      `Sample ${input.sample.id} asks for the rule llm: use judgeReward with a server of your own.`,
    );
  };
}
