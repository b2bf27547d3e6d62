import { readAnswer, type Which } from "./spans.ts";

/**
 * How many characters of an answer are read. No honest answer is longer, so that a runaway one stays cheap; the
 * rest counts as not written.
 */
export const longestAnswer = 200_000;

/** The answer of a completion, as far as it is read. */
export function readShortAnswer(completion: string, which?: Which): string {
  const answer = readAnswer(completion, which);
  return answer.length > longestAnswer ? answer.slice(0, longestAnswer) : answer;
}
