import { type RewardFunction, VlmR1Error } from "@vlmr1/core";
import { readDetections } from "../read/boxes.ts";
import { isSpace } from "../read/characters.ts";
import { longestAnswer, readShortAnswer } from "../read/spans.ts";

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

/**
 * Hash tables are seeded per process, as the language's own are, so that no text can be written to collide; no
 * result depends on the seed.
 */
const seeds = [...crypto.getRandomValues(new Uint32Array(3))].map((seed) => seed | 1) as [
  number,
  number,
  number,
];

/**
 * The words of a text, the parts between white space, each as a number: 0, 1, ... in order of first appearance.
 * No string is built, so that half a million words take milliseconds.
 */
export function wordNumbers(text: string, isSpace: (unit: number) => boolean): Int32Array {
  const most = Math.ceil(text.length / 2);
  const numbers = new Int32Array(most);
  const slots = emptySlots(most); // the number of a slot's word, plus 1
  const starts = new Int32Array(most); // where the word with a number first stands
  const ends = new Int32Array(most);
  let count = 0;
  let distinct = 0;
  for (let end = 0; end < text.length; end++) {
    let unit = text.charCodeAt(end);
    if (isSpace(unit)) continue;
    const start = end;
    let hash = seeds[0];
    do {
      hash = Math.imul(hash ^ unit, 0x01000193);
      unit = text.charCodeAt(++end);
    } while (end < text.length && !isSpace(unit));
    let slot = slotOf(hash, slots);
    let known = (slots[slot] as number) - 1;
    while (known >= 0 && !sameText(text, starts[known] as number, ends[known] as number, start, end)) {
      slot = (slot + 1) & (slots.length - 1);
      known = (slots[slot] as number) - 1;
    }
    if (known < 0) {
      known = distinct++;
      slots[slot] = distinct;
      starts[known] = start;
      ends[known] = end;
    }
    numbers[count++] = known;
  }
  return numbers.subarray(0, count);
}

/** How many different n-grams a sequence of numbered words holds. */
export function distinctNgrams(words: Int32Array, ngram: number): number {
  let previous = words;
  let distinct = words.reduce((most, word) => Math.max(most, word + 1), 0);
  // An n-gram is its (n-1)-gram and one more word: pairs of numbers are renumbered, so each length costs one pass.
  for (let length = 2; length <= ngram; length++) {
    const next = new Int32Array(Math.max(0, words.length - length + 1));
    distinct = numberPairs(previous, words.subarray(length - 1), next);
    previous = next;
  }
  return distinct;
}

/**
 * Writes the number of each pair `(first[i], second[i])`, 0, 1, ... in order of appearance, to `numbers` and
 * returns how many there are. A Map takes ten times as long on half a million pairs.
 */
function numberPairs(first: Int32Array, second: Int32Array, numbers: Int32Array): number {
  const slots = emptySlots(numbers.length); // where a slot's pair first stands, plus 1
  let distinct = 0;
  for (let i = 0; i < numbers.length; i++) {
    const a = first[i] as number;
    const b = second[i] as number;
    let slot = slotOf(Math.imul(a, seeds[1]) ^ Math.imul(b + 1, seeds[2]), slots);
    let known = (slots[slot] as number) - 1;
    while (known >= 0 && (first[known] !== a || second[known] !== b)) {
      slot = (slot + 1) & (slots.length - 1);
      known = (slots[slot] as number) - 1;
    }
    if (known < 0) slots[slot] = i + 1;
    numbers[i] = known < 0 ? distinct++ : (numbers[known] as number);
  }
  return distinct;
}

/** An open-addressing table, at most half full. */
function emptySlots(count: number): Int32Array {
  return new Int32Array(2 ** Math.ceil(Math.log2(2 * count + 2)));
}

function slotOf(hash: number, slots: Int32Array): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) & (slots.length - 1);
}

function sameText(text: string, startA: number, endA: number, startB: number, endB: number): boolean {
  if (endA - startA !== endB - startB) return false;
  for (let i = 0; i < endA - startA; i++) {
    if (text.charCodeAt(startA + i) !== text.charCodeAt(startB + i)) return false;
  }
  return true;
}
