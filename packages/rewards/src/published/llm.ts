import type { RewardFunction } from "@vlmr1/core";
import type { ChatServer } from "../judge/chat-client.ts";
import { judgeReward } from "../judge/judge.ts";
import type { SolutionTarget } from "./published-reward.ts";
import { pythonFloat, pythonStrip } from "./python-text.ts";
import { lastAnswer, solutionAnswer } from "./tags.ts";

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
