import { VlmR1Error, type RewardFunction } from "@vlmr1/core";
import { readShortAnswer } from "../read/spans.ts";
import { readCount, readTruthCount } from "../read/counts.ts";
import { readNumber, readTruthNumber } from "../read/numbers.ts";
import { malformed, targetAnswer, type AnswerTarget } from "../target.ts";
import type { AnswerReading } from "./text.ts";

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
