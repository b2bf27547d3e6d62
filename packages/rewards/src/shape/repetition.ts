import { VlmR1Error, type RewardFunction } from "@vlmr1/core";
import { readDetections } from "../read/boxes.ts";
import { longestAnswer, readShortAnswer } from "../read/spans.ts";
import { isSpace } from "../read/characters.ts";
import { distinctNgrams, wordNumbers } from "./ngrams.ts";

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
    const words = wordNumbers(completion.slice(0, longestAnswer).toLowerCase(), isSpace);
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

function penalty(distinct: number, total: number, maxPenalty: number): number {
  const repeated = total - distinct;
  return repeated === 0 ? 0 : (-repeated / total) * maxPenalty;
}
