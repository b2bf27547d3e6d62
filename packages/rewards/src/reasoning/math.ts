import type { RewardFunction } from "@vlmr1/core";
import { folded, plainText } from "../read/characters.ts";
import { numberInWords } from "../read/counts.ts";
import { lastBoxed, longestAnswer, readShortAnswer } from "../read/spans.ts";
import { malformed, targetAnswer, type AnswerTarget } from "../target.ts";
import { sameMath } from "./math/equal.ts";
import { readMath } from "./math/parse.ts";
import { decimal, type MathValue } from "./math/value.ts";
import type { AnswerReading } from "./answers.ts";

/** How mathematical answers are compared. */
export interface MathOptions extends AnswerReading {
  /**
   * Largest accepted difference, absolute from 1 on and relative below. Default 1e-6, so that 0.333333 is
   * 1/3 and 0.33 is not.
   */
  readonly tolerance?: number;
}

/**
 * 1 when the answer equals the target as mathematics, else 0: `\frac{1}{2}`, `1/2`, `½`, `0.5` and `50\%`;
 * `\sqrt{8}` and `2\sqrt{2}`; `2x+3` and `3+2x`; `x = 5` and `5`; `5 cm` and `0.05 m`; `(1, 2]` and `1 < x
 * \le 2`; `\{1, 2\}`, `2, 1` and `\pm` pairs; matrices; ratios. What is no formula is compared as text.
 *
 * Expressions are equal when their values agree at eight fixed points (polynomial identity testing; numbers too large
 * for doubles are compared modulo a prime), so no algebra system is needed: docs/decisions/rewards-own-mathematics.md.
 *
 * @throws VlmR1Error `invalid-data` when the target is empty.
 */
export function mathReward({ tolerance = 1e-6, answer }: MathOptions = {}): RewardFunction<AnswerTarget> {
  return ({ completion, sample }) => {
    const truth = targetAnswer(sample);
    if (truth.trim() === "")
      throw malformed(sample, "answer", "a formula or a text that is not empty", truth);
    return mathEqual(readShortAnswer(completion, answer), truth, tolerance) ? 1 : 0;
  };
}

/**
 * Whether an answer equals a truth as mathematics, or as text when either is no formula. See {@link
 * mathReward}. An empty truth equals nothing.
 */
export function mathEqual(answer: string, truth: string, tolerance = 1e-6): boolean {
  if (truth.trim() === "") return false;
  if (answer.length > longestAnswer) return answer === truth;
  const wanted = readingOf(truth);
  const given = readingOf(answer);
  // A time is no quotient, unless the truth is a ratio: 2:30 may be 1:15.
  if (isClock(wanted.text) || (isClock(given.text) && !wanted.text.includes(":")))
    return clockText(wanted.text) === clockText(given.text);
  if (stripped(given.text) === stripped(wanted.text)) return true;
  return (
    wanted.value !== undefined && given.value !== undefined && sameMath(given.value, wanted.value, tolerance)
  );
}

/** Only this many characters from the end are searched for the answer. */
const longestSearch = 4000;

interface Reading {
  /** The part of the text that is meant as the answer. */
  readonly text: string;
  /** What it denotes; undefined when it is no formula. */
  readonly value?: MathValue | undefined;
}

/**
 * The one thing that a text answers: what its last \boxed{} holds, else the first of these that is a formula: what
 * follows the last "answer is", the text, its last formula between dollars or \( \), what follows its last colon, "is" or
 * equals sign. One and no more, so that no answer is right for two different truths.
 */
function readingOf(text: string): Reading {
  const plain = plainMath(text.slice(-longestSearch));
  const boxed = lastBoxed(plain);
  const several = /\\boxed\s*\{[^{}]*\}[\s$]*(?:or|and|,)[\s$]*\\boxed/.test(plain);
  if (boxed !== undefined && !several) return { text: boxed, value: valueOf(boxed) };
  const candidates = candidatesOf(several ? plain.replaceAll("\\boxed", "") : plain);
  for (const candidate of candidates) {
    const value = valueOf(candidate);
    if (value) return { text: candidate, value };
  }
  return { text: candidates[0] as string };
}

function valueOf(text: string): MathValue | undefined {
  const words = numberInWords(text);
  return words === undefined ? readMath(text) : decimal(String(words));
}

function candidatesOf(text: string): string[] {
  const announced = /^[\s\S]*(?:\banswer\b\s*(?:is|:|=)|答案[是为:]*)([\s\S]*)$/i.exec(text)?.[1];
  const candidates = [announced?.split(/\.\s/)[0] ?? text, text];
  const formula =
    lastBetween(text, "$", "$") ?? lastBetween(text, "\\(", "\\)") ?? lastBetween(text, "\\[", "\\]");
  if (formula !== undefined) candidates.push(formula);
  for (const mark of [":", " is ", "="]) {
    const at = text.lastIndexOf(mark);
    if (at >= 0) candidates.push(text.slice(at + mark.length));
  }
  return candidates;
}

function lastBetween(text: string, opening: string, closing: string): string | undefined {
  const end = text.lastIndexOf(closing);
  if (end <= 0) return undefined;
  const start = text.lastIndexOf(opening, end - 1);
  return start < 0 ? undefined : text.slice(start + opening.length, end);
}

const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const vulgar = new Map(
  Array.from(
    "½12⅓13⅔23¼14¾34⅕15⅖25⅗35⅘45⅙16⅚56⅛18⅜38⅝58⅞78".matchAll(/(.)(.)(.)/gu),
    ([, sign, top, bottom]) => [sign as string, `\\frac{${top}}{${bottom}}`],
  ),
);
const multiples = { thousand: 3, million: 6, billion: 9, trillion: 12 };

/** The text with typographic signs as LaTeX, and without emphasis. */
function plainMath(text: string): string {
  return folded(text)
    .replace(/\*\*(?!\s?\d|\s?[{(a-z])|(?<![\w)}])\*\*|__|`|[✅✔☑]\uFE0F?/g, " ")
    .replace(/[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞]/g, (sign) => vulgar.get(sign) as string)
    .replace(
      /⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+/g,
      (power) =>
        `^{${power.replace("⁻", "-").replace(/[^-]/g, (sign) => String(superscripts.indexOf(sign)))}}`,
    )
    .replace(
      /(\d)\s*(thousand|million|billion|trillion)s?\b/gi,
      (_, digit: string, word: string) => `${digit}*10^{${multiples[word.toLowerCase() as "million"]}}`,
    )
    .replace(/\{,\}|(?<=\d)\\,(?=\d{3})/g, ",")
    .replace(/[℃℉]/g, "°");
}

function isClock(text: string): boolean {
  return /^[\s$]*\d{1,2}:[0-5]\d(?::[0-5]\d)?\s*(?:[ap]\.?m\.?)?[\s$.]*$/i.test(text);
}

function clockText(text: string): string {
  return text
    .toLowerCase()
    .replace(/[\s$.]/g, "")
    .replace(/^0(?=\d)/, "");
}

/** Text without dollars, LaTeX's text commands and spacing, case, and a final period. */
function stripped(text: string): string {
  let plain = text;
  for (const decoration of [
    "$",
    "\\,",
    "\\!",
    "\\;",
    "\\text{",
    "\\mathrm{",
    "\\textbf{",
    "\\overline{",
    "\\vec{",
    "{",
    "}",
  ]) {
    plain = plain.replaceAll(decoration, "");
  }
  plain = plainText(plain).replace(/^\(([a-z])\)$/, "$1"); // the letter of a choice
  return plain.endsWith(".") ? plain.slice(0, -1) : plain;
}
