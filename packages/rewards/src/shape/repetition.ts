import { VlmR1Error, type RewardFunction } from "@vlmr1/core";
import { readDetections } from "../read/detections.ts";
import { longestAnswer, readShortAnswer } from "../read/longest.ts";
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
    const words = wordsOf(completion.slice(0, longestAnswer).toLowerCase());
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
    const detections = readDetections(readShortAnswer(completion));
    if (detections.length === 0) return 0;
    const distinct = new Set(detections.map(({ box, label }) => `${box.join(",")} ${label.toLowerCase()}`));
    return penalty(distinct.size, detections.length, maxPenalty);
  };
}

/** n-grams are compared by the numbers of their words, so that long words cost no more than short ones. */
export function distinctNgrams(words: readonly string[], ngram: number): number {
  const numbers = new Map<string, number>();
  const singles = new Float64Array(words.length);
  for (let i = 0; i < words.length; i++) singles[i] = numberOf(numbers, words[i] as string);
  let previous = singles;
  let distinct = numbers.size;
  // An n-gram is its (n-1)-gram and one more word: pairs of numbers are renumbered, so each length costs one pass.
  for (let length = 2; length <= ngram; length++) {
    const pairs = new Map<number, number>();
    const next = new Float64Array(previous.length - 1);
    for (let i = 0; i < next.length; i++) {
      const pair = (previous[i] as number) * (words.length + 1) + (singles[i + length - 1] as number);
      next[i] = numberOf(pairs, pair);
    }
    previous = next;
    distinct = pairs.size;
  }
  return distinct;
}

/** The number of a key, given to it when it is new. */
function numberOf<Key>(numbers: Map<Key, number>, key: Key): number {
  const known = numbers.get(key);
  if (known !== undefined) return known;
  numbers.set(key, numbers.size);
  return numbers.size - 1;
}

function penalty(distinct: number, total: number, maxPenalty: number): number {
  const repeated = total - distinct;
  return repeated === 0 ? 0 : (-repeated / total) * maxPenalty;
}
