import type { RewardFunction } from "@vlmr1/core";
import { readShortAnswer, type Which } from "../read/spans.ts";
import { plainText } from "../read/characters.ts";
import { targetAnswer, type AnswerTarget } from "../target.ts";
import { levenshteinRatio } from "./levenshtein-ratio.ts";

/** Where the answer of a completion is read. */
export interface AnswerReading {
  /** Which `<answer>` counts when there are several. Default `last`. */
  readonly answer?: Which;
}

/** 1 when the answer is the target, character for character but for white space at the ends, else 0. */
export function exactReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) =>
    readShortAnswer(completion, reading.answer).trim() === targetAnswer(sample).trim() ? 1 : 0;
}

/**
 * 1 when the answer is the target but for case, white space and final periods, else 0. VLM-R1's `all_match`
 * (GUI defects), with its tags and line breaks read the same way everywhere.
 */
export function allMatchReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) =>
    normalized(readShortAnswer(completion, reading.answer)) === normalized(targetAnswer(sample)) ? 1 : 0;
}

/**
 * How alike answer and target are as texts, 0..1: the Levenshtein ratio (2 x common subsequence / total
 * length) after case, white space and final periods are evened out. VLM-R1's fallback for free text.
 */
export function similarityReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) =>
    levenshteinRatio(
      normalized(readShortAnswer(completion, reading.answer)),
      normalized(targetAnswer(sample)),
    );
}

/** What a pattern is tried on. */
export interface PatternOptions extends AnswerReading {
  /** `answer` (the default) or the whole `completion`. */
  readonly over?: "answer" | "completion";
}

/**
 * 1 when the text matches a regular expression, else 0. The expression is the caller's, and so is its
 * running time: avoid nested repetition.
 */
export function patternReward(
  pattern: RegExp,
  { over = "answer", answer }: PatternOptions = {},
): RewardFunction {
  // A global or sticky expression remembers where it stopped; a reward must not.
  const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
  return ({ completion }) =>
    stateless.test(over === "answer" ? readShortAnswer(completion, answer) : completion) ? 1 : 0;
}

function normalized(text: string): string {
  const plain = plainText(text);
  let end = plain.length;
  while (end > 0 && (plain[end - 1] === "." || plain[end - 1] === " ")) end--;
  return plain.slice(0, end);
}
