import { VlmR1Error, type RewardFunction } from "@vlmr1/core";
import { readDetections } from "../read/detections.ts";
import { readAnswer } from "../read/spans.ts";
import { wordsOf } from "../read/words.ts";

/**
 * Minus the share of repeated n-grams of words, -`maxPenalty`..0; 0 for a text shorter than one n-gram.
 *
 * Demystifying Long Chain-of-Thought Reasoning (Yeo et al. 2025, arXiv 2502.03373); TRL and Open R1 use n =
 * 3.
 */
export function repetitionReward({
  ngram = 3,
  maxPenalty = 1,
}: { readonly ngram?: number; readonly maxPenalty?: number } = {}): RewardFunction {
  if (!Number.isInteger(ngram) || ngram < 1) {
    throw new VlmR1Error(
      "invalid-argument",
      `repetitionReward: ngram must be a positive integer, got ${ngram}.`,
    );
  }
  return ({ completion }) => {
    const words = wordsOf(completion.toLowerCase());
    const total = words.length - ngram + 1;
    if (total < 1) return 0;
    return penalty(distinctNgrams(words, ngram), total, maxPenalty);
  };
}

/**
 * Minus the share of boxes that repeat an earlier box with the same label, -`maxPenalty`..0; 0 without
 * boxes.
 */
export function boxRepetitionReward({
  maxPenalty = 1,
}: { readonly maxPenalty?: number } = {}): RewardFunction {
  return ({ completion }) => {
    const detections = readDetections(readAnswer(completion));
    if (detections.length === 0) return 0;
    const distinct = new Set(detections.map(({ box, label }) => `${box.join(",")} ${label.toLowerCase()}`));
    return penalty(distinct.size, detections.length, maxPenalty);
  };
}

/** n-grams are compared by the numbers of their words, so that long words cost no more than short ones. */
export function distinctNgrams(words: readonly string[], ngram: number): number {
  const numbers = new Map<string, number>();
  let previous = words.map((word) => {
    const number = numbers.get(word) ?? numbers.size;
    numbers.set(word, number);
    return number;
  });
  const singles = previous;
  let distinct = numbers.size;
  // An n-gram is its (n-1)-gram and one more word: pairs of numbers are renumbered, so each length costs one pass.
  for (let length = 2; length <= ngram; length++) {
    const pairs = new Map<number, number>();
    const width = singles.length + 1;
    previous = Array.from({ length: previous.length - 1 }, (_, i) => {
      const pair = (previous[i] as number) * width + (singles[i + length - 1] as number);
      const number = pairs.get(pair) ?? pairs.size;
      pairs.set(pair, number);
      return number;
    });
    distinct = pairs.size;
  }
  return distinct;
}

function penalty(distinct: number, total: number, maxPenalty: number): number {
  const repeated = total - distinct;
  return repeated === 0 ? 0 : (-repeated / total) * maxPenalty;
}
