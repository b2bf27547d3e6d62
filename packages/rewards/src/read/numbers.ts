import { folded } from "./characters.ts";
import { lastBoxed } from "./spans.ts";

/** A number of a text, and how much its place says that it is the answer. */
export interface WrittenNumber {
  readonly value: number;
  readonly start: number;
  readonly end: number;
  /**
   * `aside`: in round brackets, or the number of a figure, page or step; it counts when there is no other. `part`: the
   * hours or minutes of a clock time, which are no number of their own.
   */
  readonly kind: "plain" | "aside" | "part";
}

/**
 * The number that an answer gives: the last one of `\boxed{}`, of what follows `####` or the last "answer is", else of
 * the text. Numbers in round brackets and those of figures, pages and steps count only when there is no other; how sure
 * the model is ("95% sure", "Confidence: 95%") never counts.
 *
 * Reads fractions (`3/4`, `\frac{3}{4}`, `½`, `1 1/2`), ratios (`3:4`), powers (`10³`, `2^{10}`, `1.2×10^3`), percent as
 * hundredths, `5 million`, full-width digits. Separators: commas, spaces, apostrophes or several points between groups
 * of three digits part thousands; a point is decimal; a comma is decimal behind a lone 0 (`0,5`) and behind points
 * (`1.234,5`), else it parts a list (`1,2`). A minus with a space is a sign only where the answer begins with it.
 */
export function readNumber(text: string): number | undefined {
  const found = numbersIn(announced(text));
  return (found.findLast(({ kind }) => kind === "plain") ?? found.at(-1))?.value;
}

/**
 * The number that a truth is, undefined when it is none or not one alone: a clock time, a range and a list are no
 * number. A unit may follow it.
 */
export function readTruthNumber(text: string): number | undefined {
  const found = numbersIn(text.trim());
  return found.length === 1 && found[0]?.kind !== "part" ? found[0]?.value : undefined;
}

/** How many characters from the end are looked at: no honest answer says its number earlier. */
const longest = 20_000;

/** The part of an answer that gives it. */
export function announced(text: string): string {
  const late = text.slice(-longest);
  const boxed = lastBoxed(late);
  if (boxed !== undefined) return boxed;
  const marked = late.lastIndexOf("####");
  const told = marked < 0 ? late : late.slice(marked + 4);
  let from = -1;
  for (const { index, 0: words } of told.matchAll(
    /\banswer\b(?:\s{0,3}[*_`]{0,3}\s{0,3}(?:is|would be|[:=：]))?|答案[是为：:]?/gi,
  ))
    from = index + words.length;
  if (from < 0) return told;
  const sentence = /^[\s\S]*?(?=[.。!?](?:\s|$)|\n\s*\S|$)/.exec(told.slice(from).trimStart())?.[0] ?? "";
  return /[\d½⅓⅔¼¾]/.test(folded(sentence)) ? sentence : told;
}

/** Every number of a text, in order. */
export function numbersIn(text: string): WrittenNumber[] {
  const plain = withoutLatex(folded(text.slice(-longest)));
  const found: WrittenNumber[] = [];
  const begins = /[.\d]/g;
  for (let at = begins.exec(plain); at; at = begins.exec(plain)) {
    const numeral = numeralAt(plain, at.index);
    if (!numeral) continue;
    begins.lastIndex = numeral.end;
    if (isName(plain, at.index)) continue;
    const { value, end, part } = withFactors(plain, at.index, numeral);
    begins.lastIndex = end;
    if (!Number.isFinite(value) || isCertainty(plain, at.index, end)) continue;
    const aside = isAside(plain, at.index);
    found.push({
      value: value * signBefore(plain, at.index),
      start: at.index,
      end,
      kind: part ? "part" : aside ? "aside" : "plain",
    });
  }
  return found;
}

const vulgar = new Map(
  Array.from(
    "½12⅓13⅔23¼14¾34⅕15⅖25⅗35⅘45⅙16⅚56⅛18⅜38⅝58⅞78".matchAll(/(.)(.)(.)/gu),
    ([, sign, top, bottom]) => [sign as string, `${top}/${bottom}`],
  ),
);

const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** The text with LaTeX, vulgar fractions and superscripts as one writes them on a keyboard. */
function withoutLatex(text: string): string {
  return text
    .replace(/(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])/g, (_, whole: string, sign: string) =>
      whole === "" ? (vulgar.get(sign) as string) : `${whole} ${vulgar.get(sign)}`,
    )
    .replace(
      /(\d)(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9})/g,
      (_, digit: string, power: string) =>
        `${digit}^${power.replace("⁻", "-").replace(/[^-]/g, (sign) => String(superscripts.indexOf(sign)))}`,
    )
    .replace(/(\d?)\\[dtc]?frac\s?(?:\{([^{}]{1,40})\}\s?\{([^{}]{1,40})\}|(\d)(\d))/g, fraction)
    .replace(/(?:\\sqrt\s?\{(\d{1,15})\}|√(\d{1,15}))/g, (_, a?: string, b?: string) =>
      String(Math.sqrt(Number(a ?? b))),
    )
    .replace(/\\(?:text|mathrm|mathbf|textbf)\s?\{([^{}]{0,99})\}/g, " $1 ")
    .replace(/\{,\}/g, ",")
    .replace(/\\(?:times|cdot)/g, "×")
    .replace(/\\pi\b/g, "π")
    .replace(/\\(?:left|right|[ ,;!:()[\]])/g, " ")
    .replace(/\\([%$#])/g, "$1");
}

function fraction(_: string, whole: string, top?: string, bottom?: string, a?: string, b?: string): string {
  const quotient = `${(top ?? a)?.trim()}/${(bottom ?? b)?.trim()}`;
  if (!/^-?[\d.]+\/-?[\d.]+$/.test(quotient)) return `${whole} `; // not of numbers: nothing here is one
  return whole === "" ? quotient : `${whole} ${quotient}`;
}

const numeral =
  /([1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)(?!\d)|(\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})(?!\d)|([1-9]\d{0,2}(?:[ \u00a0\u2009\u202f]\d{3})+(?:[.,]\d+)?)(?!\d)|([1-9]\d{0,2}(?:['’]\d{3})+(?:\.\d+)?)(?!\d)|(0,\d+)(?![\d,])|(\d+(?:\.\d+)?(?:[eE][-+]?\d+(?![a-zA-Z]))?|\.\d+)/y;

interface Numeral {
  readonly value: number;
  readonly end: number;
}

/** Digits with their separators of thousands and decimals. */
function numeralAt(text: string, start: number): Numeral | undefined {
  numeral.lastIndex = start;
  const match = numeral.exec(text);
  if (!match) return undefined;
  const [, commas, points, spaces, apostrophes, comma, plain] = match;
  const digits =
    commas?.replaceAll(",", "") ??
    points?.replaceAll(".", "").replace(",", ".") ??
    spaces?.replace(/\s/g, "").replace(",", ".") ??
    apostrophes?.replace(/['’]/g, "") ??
    comma?.replace(",", ".") ??
    plain;
  return { value: Number(digits), end: start + match[0].length };
}

const factors: readonly (readonly [pattern: RegExp, apply: (value: number, ...parts: string[]) => number])[] =
  [
    [
      /\s?(?:×|x|\*)\s?10\s?(?:\^|\*\*)\s?[{(]{0,2}([-+]?\d{1,3})[})]{0,2}/y,
      (value, power) => value * 10 ** Number(power),
    ],
    [/\s?(?:\^|\*\*)\s?[{(]{0,2}([-+]?\d{1,4})[})]{0,2}/y, (value, power) => value ** Number(power)],
    [
      /[ -](\d{1,9})\s?\/\s?(\d{1,9})(?![\d/])/y,
      (value, top, bottom) => value + Number(top) / Number(bottom),
    ],
    [/\s?\/\s?(-?\d+(?:\.\d+)?)(?![\d/])/y, (value, bottom) => value / Number(bottom)],
    [/\s?:\s?(\d+(?:\.\d+)?)(?![\d:])/y, (value, other) => value / Number(other)],
    [/\s?π/y, (value) => value * Math.PI],
  ];

const multiples = new Map(
  Object.entries({
    hundred: 100,
    thousand: 1e3,
    million: 1e6,
    billion: 1e9,
    trillion: 1e12,
    百: 100,
    千: 1e3,
    万: 1e4,
    萬: 1e4,
    亿: 1e8,
    億: 1e8,
  }),
);
const multiple = /\s?(?:(hundred|thousand|million|billion|trillion)s?\b|([百千万萬亿億]))/iy;
const percent = /\s?(?:%|percent\b|per cent\b|pct\b)/iy;
const clock = /:[0-5]\d(?:\s?[ap]\.?m\b)?(?![\d/])/iy;

/** A numeral with what multiplies, divides or completes it. */
function withFactors(text: string, start: number, first: Numeral): Numeral & { readonly part: boolean } {
  let { value, end } = first;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = end;
    const match = pattern.exec(text);
    if (match) end = pattern.lastIndex;
    return match;
  };
  // 12:30 is a time and 3:4 a ratio: minutes have two digits, below sixty.
  clock.lastIndex = end;
  const part = (value < 24 && clock.test(text)) || /\d:$/.test(text.slice(start - 2, start));
  for (const [pattern, apply] of part ? [] : factors) {
    const mixed = pattern.source.startsWith("[ -]") && !Number.isInteger(value);
    const match = mixed ? null : take(pattern);
    if (match) value = apply(value, ...match.slice(1));
  }
  const word = take(multiple);
  if (word) value *= multiples.get((word[1] ?? (word[2] as string)).toLowerCase()) as number;
  if (take(percent)) value /= 100;
  else if (take(/\s?‰/y)) value /= 1000;
  return { value, end, part };
}

/** Whether the digits belong to a word (`x1`, `H2O`, `cm^2`), and not to emphasis (`_5_`) or to a text in Chinese. */
function isName(text: string, start: number): boolean {
  const before = text.slice(Math.max(0, start - 4), start);
  return /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}](?:_{0,2}|\^\{?-?)$|\d\.$/u.test(before);
}

function signBefore(text: string, start: number): number {
  const before = text.slice(Math.max(0, start - 12), start);
  if (/(?:^|[^\w)\]%°])-[$€£¥]?$/.test(before) || /^\s*-\s+$/.test(before.length < start ? "x" : before))
    return -1;
  return /(?:^|[^\d\s]\s*|\s)(?:minus|negative)\s$/i.test(before) && !/\d\s*minus\s$/i.test(before) ? -1 : 1;
}

const sureBefore = /(?:confidence|certainty|probability|likelihood|confident|certain|置信度)[^.\n\d]{0,24}$/i;
const sureAfter = /^[ *]*(?:sure|certain|confident|confidence|certainty|probability|likely|chance)/i;

/** Whether a number says how sure the model is. */
function isCertainty(text: string, start: number, end: number): boolean {
  return (
    sureAfter.test(text.slice(end, end + 24)) || sureBefore.test(text.slice(Math.max(0, start - 40), start))
  );
}

const reference =
  /\b(?:figure|fig\.?|image|picture|photo|step|page|table|question|problem|example|section|equation)s?\s{0,2}$|第$/i;

/** Whether a number stands in round brackets, or numbers a figure, page or step. */
function isAside(text: string, start: number): boolean {
  const before = text.slice(Math.max(0, start - 200), start);
  return before.lastIndexOf("(") > before.lastIndexOf(")") || reference.test(before);
}
