import type { RewardFunction } from "@vlmr1/core";
import { longestAnswer, readShortAnswer } from "../read/spans.ts";
import { plainText } from "../read/characters.ts";
import { targetAnswer, type AnswerTarget } from "../target.ts";
import { sameMath } from "./math/equal.ts";
import { mathCandidates, readMath } from "./math/read-math.ts";
import type { MathValue } from "./math/value.ts";
import type { AnswerReading } from "./text.ts";

/** How mathematical answers are compared. */
export interface MathOptions extends AnswerReading {
  /**
   * Largest accepted difference, absolute from 1 on and relative below. Default 1e-6, so that 0.333333 is
   * 1/3 and 0.33 is not.
   */
  readonly tolerance?: number;
}

/**
 * 1 when the answer equals the target as mathematics, else 0: `\frac{1}{2}`, `1/2`, `0.5` and `50\%`;
 * `\sqrt{8}` and `2\sqrt{2}`; `2x+3` and `3+2x`; `x = 5` and `5`; `5 cm` and `0.05 m`; `(1, 2]` and `1 < x
 * \le 2`; `\{1, 2\}`, `2, 1` and `\pm` pairs. What is no formula is compared as text.
 *
 * Expressions are equal when their values agree at six fixed points (polynomial identity testing), so no
 * algebra system is needed.
 */
export function mathReward({ tolerance = 1e-6, answer }: MathOptions = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) =>
    mathEqual(readShortAnswer(completion, answer), targetAnswer(sample), tolerance) ? 1 : 0;
}

/**
 * Whether an answer equals a truth as mathematics, or as text when either is no formula. See {@link
 * mathReward}.
 */
export function mathEqual(answer: string, truth: string, tolerance = 1e-6): boolean {
  if (answer.length > longestAnswer) return answer === truth;
  const expected = mathCandidates(truth);
  const wanted = firstFormula(expected);
  const candidates = mathCandidates(answer);
  if (candidates.some((candidate) => sameText(candidate, expected[0] ?? truth))) return true;
  const given = wanted && firstFormula(candidates);
  return given !== undefined && sameMath(given, wanted as MathValue, tolerance);
}

function firstFormula(candidates: readonly string[]): MathValue | undefined {
  for (const candidate of candidates) {
    const value = readMath(candidate);
    if (value) return value;
  }
  return undefined;
}

function sameText(a: string, b: string): boolean {
  return stripped(a) === stripped(b);
}

/** Text without dollars, LaTeX's text commands and spacing, case, and a final period. */
function stripped(text: string): string {
  let plain = text;
  for (const decoration of ["$", "\\,", "\\!", "\\;", "\\text{", "\\mathrm{", "\\textbf{", "{", "}"]) {
    plain = plain.replaceAll(decoration, "");
  }
  plain = plainText(plain);
  return plain.endsWith(".") ? plain.slice(0, -1) : plain;
}
