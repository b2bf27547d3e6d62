import { type RewardFunction, VlmR1Error } from "@vlmr1/core";
import { plainText } from "../read/characters.ts";
import { readChoice, readYesNo } from "../read/choices.ts";
import { readCount, readTruthCount } from "../read/counts.ts";
import { readNumber, readTruthNumber } from "../read/numbers.ts";
import { readShortAnswer, type Which } from "../read/spans.ts";
import { type AnswerTarget, malformed, targetAnswer } from "../target.ts";

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

/**
 * `Levenshtein.ratio`: twice the length of the longest common subsequence over the total length, in code
 * points, 0..1; two empty texts are equal (1).
 *
 * The subsequence is found 32 columns at a time (Hyyrö 2004, "Bit-parallel LCS-length computation
 * revisited"): m x n / 32 steps.
 */
export function levenshteinRatio(a: string, b: string): number {
  const first = codePoints(a);
  const second = codePoints(b);
  const total = first.length + second.length;
  if (total === 0) return 1;
  return (2 * longestCommonSubsequence(first, second)) / total;
}

function longestCommonSubsequence(a: Uint32Array, b: Uint32Array): number {
  let start = 0;
  let endA = a.length;
  let endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) start++;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--;
    endB--;
  }
  const common = start + a.length - endA;
  const [short, long] =
    endA - start < endB - start
      ? [a.subarray(start, endA), b.subarray(start, endB)]
      : [b.subarray(start, endB), a.subarray(start, endA)];
  return common + (short.length === 0 ? 0 : matchedColumns(short, long));
}

/** One bit per code point of `short`; a bit that is cleared is a step of the subsequence. */
function matchedColumns(short: Uint32Array, long: Uint32Array): number {
  const words = Math.ceil(short.length / 32);
  const masks = columnMasks(short, words);
  const asciiMasks = Array.from({ length: 128 }, (_, point) => masks.get(point));
  const rows = new Uint32Array(words).fill(0xffffffff);
  for (let i = 0; i < long.length; i++) {
    const point = long[i] as number;
    const mask = point < 128 ? asciiMasks[point] : masks.get(point);
    if (!mask) continue;
    let carry = 0;
    for (let w = 0; w < words; w++) {
      const row = rows[w] as number;
      const matched = (row & (mask[w] as number)) >>> 0;
      const sum = row + matched + carry; // below 2^34: exact
      carry = sum > 0xffffffff ? 1 : 0;
      rows[w] = (sum | (row & ~matched)) >>> 0;
    }
  }
  let cleared = 0;
  for (let i = 0; i < short.length; i++) {
    if ((((rows[i >>> 5] as number) >>> (i & 31)) & 1) === 0) cleared++;
  }
  return cleared;
}

/** For each code point, the positions of `short` where it stands. */
function columnMasks(short: Uint32Array, words: number): Map<number, Uint32Array> {
  const masks = new Map<number, Uint32Array>();
  short.forEach((point, i) => {
    let mask = masks.get(point);
    if (!mask) masks.set(point, (mask = new Uint32Array(words)));
    mask[i >>> 5] = (mask[i >>> 5] as number) | (1 << (i & 31));
  });
  return masks;
}

function codePoints(text: string): Uint32Array {
  const points = new Uint32Array(text.length);
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) as number;
    if (point > 0xffff) i++;
    points[count++] = point;
  }
  return points.subarray(0, count);
}

/**
 * 1 when the answer names the target's letter and no other, else 0. Reads `B`, `b`, `(B)`, `B.`, `B) the
 * cat`, `**B**`, `\boxed{B}`, `Answer: B`, `The answer is B because A is blue`, `选B`, `（B）`; several letters (`A, B, C`,
 * `A or B`) name none: {@link readChoice}.
 *
 * @throws VlmR1Error `invalid-data` when the target holds no single letter A..Z.
 */
export function choiceReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) => {
    const truth = readChoice(targetAnswer(sample));
    if (truth === undefined) throw malformed(sample, "answer", 'a choice such as "B"', targetAnswer(sample));
    return readChoice(readShortAnswer(completion, reading.answer)) === truth ? 1 : 0;
  };
}

/**
 * 1 when the answer says yes or no as the target does, else 0. Both words, or neither, are no answer.
 *
 * @throws VlmR1Error `invalid-data` when the target says neither yes nor no.
 */
export function yesNoReward(reading: AnswerReading = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) => {
    const truth = readYesNo(targetAnswer(sample));
    if (truth === undefined) throw malformed(sample, "answer", '"yes" or "no"', targetAnswer(sample));
    return readYesNo(readShortAnswer(completion, reading.answer)) === truth ? 1 : 0;
  };
}

/** How far a number may be off. */
export interface Tolerance extends AnswerReading {
  /** Largest accepted |answer - target|. Default 0. */
  readonly absolute?: number;
  /** Largest accepted |answer - target| / |target|. Default 1e-9: rounding of decimals, nothing more. */
  readonly relative?: number;
}

/**
 * 1 when the number that the answer gives is the target's within a tolerance, else 0. Reads `42`, `-1.5e3`,
 * `1,234`, `3/4`, `75%` (0.75), `$12`, `12 cm` and, in a sentence, its last number: {@link readNumber}.
 *
 * @throws VlmR1Error `invalid-data` when the target is no number; `invalid-argument` for a negative
 * tolerance.
 */
export function numericReward({
  absolute = 0,
  relative = 1e-9,
  answer,
}: Tolerance = {}): RewardFunction<AnswerTarget> {
  if (!(absolute >= 0 && relative >= 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `numericReward: tolerances must not be negative, got absolute ${absolute} and relative ${relative}.`,
    );
  }
  return ({ completion, sample }) => {
    const truth = readTruthNumber(targetAnswer(sample));
    if (truth === undefined)
      throw malformed(sample, "answer", "one number (no clock time, range or list)", targetAnswer(sample));
    const given = readNumber(readShortAnswer(completion, answer));
    return given !== undefined && Math.abs(given - truth) <= Math.max(absolute, relative * Math.abs(truth))
      ? 1
      : 0;
  };
}

/** What counting pays. */
export interface CountOptions extends AnswerReading {
  /**
   * False (the default) pays the exact count alone; true pays 1 - |difference| / max(target, 1), at least
   * 0, for near misses.
   */
  readonly partial?: boolean;
}

/**
 * 1 when the answer counts as the target does, else 0. Reads digits, English words up to the millions, Chinese numerals,
 * and, in a sentence, the last of them: {@link readCount}.
 *
 * Counting of R1-V and Perception-R1.
 *
 * @throws VlmR1Error `invalid-data` when the target is no whole number from 0.
 */
export function countReward({ partial = false, answer }: CountOptions = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) => {
    const truth = readTruthCount(targetAnswer(sample));
    if (truth === undefined) throw malformed(sample, "answer", "a whole number from 0", targetAnswer(sample));
    const given = readCount(readShortAnswer(completion, answer));
    if (given === undefined) return 0;
    if (given === truth) return 1;
    return partial ? Math.max(0, 1 - Math.abs(given - truth) / Math.max(truth, 1)) : 0;
  };
}
