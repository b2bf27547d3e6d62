import { lastBoxed } from "../read/spans.ts";
import { levenshteinRatio } from "../reasoning/answers.ts";
import { mathEqual } from "../reasoning/math.ts";
import {
  findAll,
  firstAnswer,
  isPythonSpace,
  lastAnswer,
  pythonFloat,
  pythonStrip,
  solutionAnswer,
  textOf,
} from "./python-text.ts";

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

/**
 * `extract_choice`: the letter that a text chooses, or null.
 *
 * Bugs kept: only letters before `. , ? ! : ;` or the end count, so `(A)` and `A)` choose nothing; the last
 * letter of any word before punctuation that stands after a digit or sign counts; context is taken around
 * the letter's first occurrence anywhere, even inside a word. Fixed twin: `readChoice`.
 */
export function extractChoice(text: string): string | null {
  const units = collapsed(text.toUpperCase());
  const counts = new Map<number, number>();
  for (let i = 0; i < units.length; i++) {
    const unit = units[i] as number;
    if (!isCapital(unit) || isCapital(units[i - 1])) continue;
    if (i + 1 === units.length || isEnding(units[i + 1] as number))
      counts.set(unit, (counts.get(unit) ?? 0) + 1);
  }
  const letters = [...counts.keys()];
  if (letters.length === 0) return null;
  const points = codePoints(units);
  // Every occurrence adds the score of the first one again.
  const scores = letters.map((letter) => (counts.get(letter) as number) * scoreOf(letter, units, points));
  return String.fromCharCode(letters[scores.indexOf(Math.max(...scores))] as number);
}

const keywords =
  "答案 选择 正确 是 对 ANSWER CORRECT CHOOSE SELECT RIGHT 认为 应该 觉得 THINK BELIEVE SHOULD".split(" ");

function scoreOf(letter: number, units: Uint16Array, points: number): number {
  const at = units.indexOf(letter);
  // Python counts code points; 40 units hold 20 of them.
  const before = Array.from(String.fromCharCode(...units.subarray(Math.max(0, at - 40), at))).slice(-20);
  const after = Array.from(String.fromCharCode(...units.subarray(at, at + 40))).slice(0, 20);
  const context = [...before, ...after].join("");
  let score = keywords.filter((keyword) => context.includes(keyword)).length;
  if (codePoints(units.subarray(0, at)) > points * 0.7) score += 2;
  if (at + 1 < units.length && "。.!！,，".includes(String.fromCharCode(units[at + 1] as number))) score += 1;
  return score;
}

function codePoints(units: Uint16Array): number {
  let count = units.length;
  for (let i = 1; i < units.length; i++) {
    if (((units[i] as number) & 0xfc00) === 0xdc00 && ((units[i - 1] as number) & 0xfc00) === 0xd800) count--;
  }
  return count;
}

/** `re.sub(r"\s+", " ", text)`, as UTF-16 units: the quickest form to look through. */
function collapsed(text: string): Uint16Array {
  const units = new Uint16Array(text.length);
  let count = 0;
  let inSpace = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const isSpace = isPythonSpace(unit);
    if (!isSpace) units[count++] = unit;
    else if (!inSpace) units[count++] = 32;
    inSpace = isSpace;
  }
  return units.subarray(0, count);
}

function isCapital(unit: number | undefined): boolean {
  return unit !== undefined && unit >= 65 && unit <= 90;
}

/** `. , ? ! : ;` */
function isEnding(unit: number): boolean {
  return unit === 46 || unit === 44 || unit === 63 || unit === 33 || unit === 58 || unit === 59;
}

/**
 * `mcq_reward`: 1 when the first answer chooses the solution's letter.
 *
 * Bug kept: a solution without a choice is compared as a whole, tags included, so nothing is right. Fixed
 * twin: `choiceReward`.
 */
export function mcqReward(content: string, solution: string): number {
  const correct = extractChoice(solutionAnswer(solution)) ?? pythonStrip(solution);
  const chosen = extractChoice(firstAnswer(content) ?? pythonStrip(content));
  return chosen !== null && chosen === correct ? 1 : 0;
}

/**
 * `yes_no_reward`: 1 when the first `yes` or `no` in the first answer is the solution's.
 *
 * Bugs kept: `not`, `know`, `nothing` hold a no and `eyes` a yes; two answers without either are equal.
 * Fixed twin: `yesNoReward`.
 */
export function yesNoReward(content: string, solution: string): number {
  const lower = content.toLowerCase();
  const given = firstYesNo(firstAnswer(lower) ?? pythonStrip(lower));
  return given === firstYesNo(solutionAnswer(solution.toLowerCase())) ? 1 : 0;
}

function firstYesNo(text: string): string {
  const yes = text.indexOf("yes");
  const no = text.indexOf("no");
  if (yes < 0 && no < 0) return "";
  return no < 0 || (yes >= 0 && yes < no) ? "yes" : "no";
}

/**
 * `clean_text`: the last answer (or the whole text) with line breaks as spaces, stripped, without final
 * periods, in lower case.
 *
 * Bugs kept: only the last line break of a run leaves a trace, a carriage return before a line feed
 * vanishes with it, and stripping comes before the periods are cut, so `"a ."` ends in a space. Fixed twin:
 * `allMatchReward`.
 */
export function cleanText(text: string): string {
  const answers = findAll(text, "<answer>", "</answer>");
  const answer = answers.at(-1) ?? text;
  const stripped = pythonStrip(withoutBreaks(answer));
  let end = stripped.length;
  while (end > 0 && stripped[end - 1] === ".") end--;
  return stripped.slice(0, end).toLowerCase();
}

/**
 * Removes line feeds after white space and makes spaces of the others, then does the same with carriage
 * returns: two substitutions, here in one pass.
 */
function withoutBreaks(text: string): string {
  if (!/[\n\r]/.test(text)) return text;
  const units = new Uint16Array(text.length);
  let count = 0;
  let before = 0; // the unit before, as written
  let between = 0; // the unit before, as the first substitution left it
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const afterSpace = isPythonSpace(unit === lineFeed ? before : between);
    before = unit;
    if (unit === lineFeed && afterSpace) continue;
    between = unit === lineFeed ? space : unit;
    if (unit === carriageReturn && afterSpace) continue;
    units[count++] = unit === carriageReturn ? space : between;
  }
  return textOf(units.subarray(0, count));
}

const [lineFeed, carriageReturn, space] = [10, 13, 32];
