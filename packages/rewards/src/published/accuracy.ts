import { levenshteinRatio } from "../reasoning/levenshtein-ratio.ts";
import { mathEqual } from "../reasoning/math.ts";
import { lastBoxed } from "../read/spans.ts";
import { extractChoice } from "./choice.ts";
import { cleanText } from "./clean-text.ts";
import { pythonFloat, pythonStrip } from "./python-text.ts";
import { lastAnswer, solutionAnswer } from "./tags.ts";

/**
 * `numeric_reward`: 1 or 0 when both are numbers as Python's `float` reads them, else null. Bugs kept: `12
 * cm`, `1,234` and `50%` are no numbers. Fixed twin: `numericReward`.
 */
export function numericReward(content: string, solution: string): number | null {
  return sameNumber(cleanText(content), cleanText(solution));
}

function sameNumber(given: string, truth: string): number | null {
  const left = pythonFloat(given);
  const right = pythonFloat(truth);
  if (left === undefined || right === undefined) return null;
  return left === right ? 1 : 0;
}

/** `all_match_reward`: 1 when both are the same after {@link cleanText}. Fixed twin: `allMatchReward`. */
export function allMatchReward(content: string, solution: string): number {
  return cleanText(content) === cleanText(solution) ? 1 : 0;
}

/**
 * `math_reward`: 1 when both are the same after {@link cleanText}, or the same mathematics, boxed or not.
 *
 * Bug kept: {@link cleanText} turns `X` into `x`. Python's math-verify and its string comparison are
 * replaced by `mathEqual`. Fixed twin: `mathReward`.
 */
export function mathReward(content: string, solution: string): number {
  const given = cleanText(content);
  const truth = cleanText(solution);
  return given === truth || (isFormula(given) && mathEqual(lastBoxed(given) ?? given, truth)) ? 1 : 0;
}

/**
 * `default_accuracy_reward`: 1 when both are the same mathematics; else, when the solution has digits,
 * equality of numbers or the Levenshtein ratio; else, when it names a choice, equality of choices; else the
 * Levenshtein ratio, 0..1.
 *
 * Bugs kept: any solution that ends in a lone letter or has one before punctuation is a multiple choice;
 * the solution's answer is not found across lines. Python's math-verify is replaced by `mathEqual`. Fixed
 * twins: `mathReward`, `choiceReward`, `similarityReward`, chosen by the dataset.
 */
export function defaultAccuracyReward(content: string, solution: string): number {
  const truth = solutionAnswer(solution);
  const given = lastAnswer(content) ?? pythonStrip(content);
  if (isFormula(truth) && isFormula(given) && mathEqual(given, truth)) return 1;
  const hasDigits = /\p{Nd}/u.test(truth);
  const choice = hasDigits ? null : extractChoice(truth);
  if (choice !== null) return extractChoice(given) === choice ? 1 : 0;
  const clean = cleanText(given);
  const cleanTruth = cleanText(truth);
  const number = hasDigits ? sameNumber(clean, cleanTruth) : null;
  return number ?? levenshteinRatio(clean, cleanTruth);
}

/** math-verify finds no mathematics in plain words, not even in equal ones. */
function isFormula(text: string): boolean {
  return /[\d\\$]/.test(text);
}
