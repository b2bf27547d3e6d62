import { type RewardFunction, type RewardInput, VlmR1Error } from "@vlmr1/core";
import { type ChatServer, judgeReward } from "../judge.ts";
import { completionLength } from "../shape/format.ts";
import { malformed } from "../target.ts";
import { allMatchReward, defaultAccuracyReward, mathReward, mcqReward, yesNoReward } from "./answers.ts";
import { mapReward, odAp50Reward, odLengthReward, odReward, weightedSumReward } from "./detection.ts";
import { iouReward, type Rescaling } from "./grounding.ts";
import { lastAnswer, pythonFloat, pythonStrip, solutionAnswer } from "./python-text.ts";

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

/**
 * `llm_reward`: what a language model (there `qwen2.5:7b`) says to the published prompt; where the server
 * fails, equality of strings.
 *
 * Bugs kept: whatever number the judge writes is the reward; a failing server is not noticed. Fixed twin:
 * `judgeReward`.
 */
export function llmReward(server: ChatServer): RewardFunction<SolutionTarget> {
  const judge = judgeReward<SolutionTarget & { readonly answer: string }>({
    ...server,
    otherwise: Number.NEGATIVE_INFINITY,
    verdict: (answer) => pythonFloat(answer),
    messages: ({ completion, sample }) => [
      { role: "user", content: instruction },
      { role: "user", content: question(givenAnswer(completion), solutionAnswer(sample.target.solution)) },
    ],
  });
  return async (input) => {
    const { solution } = input.sample.target;
    const value = await judge({ ...input, sample: { ...input.sample, target: { solution, answer: "" } } });
    if (value !== Number.NEGATIVE_INFINITY) return value;
    return givenAnswer(input.completion) === solutionAnswer(solution) ? 1 : 0;
  };
}

const instruction =
  "You are a evaluation expert. First, analyze the student's response to identify and extract their final answer. Then, compare " +
  "the extracted answer with the correct solution. Output ONLY '1.0' if the extracted answer matches the correct solution in " +
  "meaning, or '0.0' if the student's response does not contain a clear or correct answer. No other output is allowed.";

function question(given: string, truth: string): string {
  return `Student's response: ${given}\nCorrect solution: ${truth}\nOutput only 1.0 or 0.0:`;
}

function givenAnswer(completion: string): string {
  return lastAnswer(completion) ?? pythonStrip(completion);
}
