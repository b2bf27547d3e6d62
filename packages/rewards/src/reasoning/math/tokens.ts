import { isDigit, isSpace } from "../../read/characters.ts";
import { isUnit } from "./units.ts";
import { constant, type MathExpression, type MathValue } from "./value.ts";

/** A piece of a formula; `spaced` says whether white space stands before it. */
export interface Token {
  /**
   * `name`: a variable, constant or function; `word`: other text, a unit mostly; `sign`: an operator,
   * relation or bracket.
   */
  readonly kind: "number" | "name" | "word" | "sign";
  readonly text: string;
  readonly spaced: boolean;
}

/**
 * The tokens of a formula in LaTeX or plain text, or undefined when it has something that no formula has.
 * Letters that stand alone are names, longer runs of letters are words unless they name a function or
 * constant.
 */
export function tokenize(formula: string): Token[] | undefined {
  const tokens: Token[] = [];
  const cursor: Cursor = { formula, at: 0, spaced: false, depth: 0, singles: 0 };
  while (cursor.at < formula.length) {
    const unit = formula.charCodeAt(cursor.at);
    if (isSpace(unit) || unit === 36 || unit === 126 || "€£¥".includes(formula[cursor.at] as string)) {
      cursor.spaced = true; // white space, currency and ~
      cursor.at++;
      continue;
    }
    const token = nextToken(cursor, unit);
    if (token === undefined) return undefined;
    if (token === null) continue;
    cursor.spaced = false;
    if ("([{".includes(token.text)) cursor.depth++;
    if (")]}".includes(token.text)) cursor.depth--;
    tokens.push(token);
  }
  return tokens;
}

interface Cursor {
  readonly formula: string;
  at: number;
  spaced: boolean;
  /** How many brackets are open: inside brackets a comma parts elements, outside it may part thousands. */
  depth: number;
  /** How many digits still are arguments of their own: `\frac12` is 1/2. */
  singles: number;
}

/** undefined: not a formula. null: something without meaning was skipped. */
function nextToken(cursor: Cursor, unit: number): Token | undefined | null {
  const { formula, at } = cursor;
  if (isDigit(unit) || (unit === 46 && isDigit(formula.charCodeAt(at + 1)))) return numberToken(cursor);
  if (unit === 92) return commandToken(cursor);
  const sign = signOf(formula[at] as string);
  if (sign !== undefined) {
    const power = sign === "*" && formula[at + 1] === "*";
    cursor.at += power ? 2 : 1;
    return { kind: "sign", text: power ? "^" : sign, spaced: cursor.spaced };
  }
  return isLetter(formula, at) ? lettersToken(cursor) : undefined;
}

function numberToken(cursor: Cursor): Token {
  const start = cursor.at;
  cursor.at = cursor.singles > 0 ? start + 1 : numeralEnd(cursor.formula, start, cursor.depth <= 0);
  if (cursor.singles > 0) cursor.singles--;
  const text = cursor.formula.slice(start, cursor.at).replace(/[,\s]/g, "");
  return { kind: "number", text, spaced: cursor.spaced };
}

/** `\name`, `\text{...}` or an escaped sign. */
function commandToken(cursor: Cursor): Token | undefined | null {
  const { formula, spaced } = cursor;
  const start = cursor.at + 1;
  let end = start;
  while (isLatin(formula.charCodeAt(end))) end++;
  if (end === start) end = start + 1;
  const name = formula.slice(start, end);
  cursor.at = end;
  if (textCommands.has(name) && formula[end] === "{") {
    const close = formula.indexOf("}", end);
    if (close < 0) return undefined;
    cursor.at = close + 1;
    const text = formula.slice(end + 1, close).trim();
    return text === "" ? null : { kind: isKnown(text) ? "name" : "word", text, spaced: true };
  }
  const sign = commandSigns.get(name);
  if (sign !== undefined) return { kind: "sign", text: sign, spaced };
  if (name === "\\") return { kind: "sign", text: "newline", spaced };
  const environment = /^\{[a-zA-Z]?matrix\}|^\{array\}\{[clr|]*\}|^\{(?:array|cases)\}/.exec(
    formula.slice(end, end + 40),
  )?.[0];
  if ((name === "begin" || name === "end") && environment !== undefined) {
    cursor.at += environment.length;
    return { kind: "sign", text: name === "begin" ? "matrix" : "endmatrix", spaced };
  }
  if (ignoredCommands.has(name)) return null;
  if (name.length < 2 || name === "begin" || name === "end") return undefined;
  if (name.endsWith("frac") && isDigit(formula.charCodeAt(end))) cursor.singles = 2;
  return { kind: "name", text: name, spaced }; // a function, a constant, or a Greek letter as a variable
}

function lettersToken(cursor: Cursor): Token {
  const start = cursor.at;
  while (isLetter(cursor.formula, cursor.at)) cursor.at++;
  const letters = cursor.formula.slice(start, cursor.at);
  const applied = /^[fghFGH]\(([a-z])\)(?=\s*=)/.exec(cursor.formula.slice(start, start + 6));
  if (applied) {
    cursor.at = start + applied[0].length;
    return { kind: "name", text: applied[0], spaced: cursor.spaced }; // `f(x) = …` names what is computed
  }
  if (letters === "x" && isTimes(cursor.formula, start))
    return { kind: "sign", text: "*", spaced: cursor.spaced };
  const text = characterNames.get(letters) ?? letters;
  if (isKnown(text.toLowerCase())) return { kind: "name", text: text.toLowerCase(), spaced: cursor.spaced };
  if (isProduct(cursor.formula, start, cursor.at)) {
    cursor.at = start + 1;
    return { kind: "name", text: text[0] as string, spaced: cursor.spaced };
  }
  const isName = text.length === 1 && /[\p{Script=Latin}\p{Script=Greek}]/u.test(text);
  return { kind: isName ? "name" : "word", text, spaced: cursor.spaced };
}

/** Whether an x stands for times: `3 x 4`, between numbers with spaces on both sides. */
function isTimes(formula: string, at: number): boolean {
  return /\d\s$/.test(formula.slice(Math.max(0, at - 2), at)) && /^\s\d/.test(formula.slice(at + 1, at + 3));
}

/**
 * Whether two or three small letters multiply (`2xy`, `ab^2`): they touch a digit or an operator and are no
 * unit.
 */
function isProduct(formula: string, start: number, end: number): boolean {
  const letters = formula.slice(start, end);
  if (end - start < 2 || end - start > 3 || letters !== letters.toLowerCase() || isUnit(letters))
    return false;
  const touches = (character: string | undefined): boolean =>
    character !== undefined && (operators.includes(character) || isDigit(character.charCodeAt(0)));
  return touches(formula[start - 1]) || touches(formula[end]);
}

const operators = "+-*/^_=";

/** Where a numeral ends: digits, commas between thousands when `thousands`, decimals, an exponent. */
function numeralEnd(formula: string, start: number, thousands: boolean): number {
  const digits = (from: number): number => {
    let i = from;
    while (isDigit(formula.charCodeAt(i))) i++;
    return i;
  };
  let end = digits(start);
  if (thousands && end - start <= 3) {
    while (isGroup(formula[end]) && digits(end + 1) === end + 4) end += 4;
  }
  if (formula[end] === ".") end = Math.max(digits(end + 1), end + 1);
  if (formula[end] !== "e" && formula[end] !== "E") return end;
  const sign = formula[end + 1] === "+" || formula[end + 1] === "-" ? 2 : 1;
  const exponent = digits(end + sign);
  return exponent > end + sign ? exponent : end;
}

/** What parts groups of three digits: a comma, or a space. */
function isGroup(character: string | undefined): boolean {
  return character === "," || (character !== undefined && " \u00a0\u2009\u202f".includes(character));
}

function isLetter(formula: string, at: number): boolean {
  const unit = formula.charCodeAt(at);
  if (unit < 128) return isLatin(unit);
  return unit >= 0xc0 && !isSpace(unit) && signOf(formula[at] as string) === undefined;
}

function isLatin(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90);
}

function isKnown(name: string): boolean {
  return knownNames.has(name);
}

function signOf(character: string): string | undefined {
  return plainSigns.includes(character) ? character : characterSigns.get(character);
}

const plainSigns = "+-*/^_=<>()[]{},;:|%!°∪≤≥≠±√∈&⌊⌋⌈⌉";

const characterSigns = new Map([
  ["×", "*"],
  ["·", "*"],
  ["⋅", "*"],
  ["∗", "*"],
  ["÷", "/"],
  ["−", "-"],
  ["–", "-"],
  ["≈", "="],
  ["∣", "|"],
]);

const characterNames = new Map([
  ["π", "pi"],
  ["∞", "infty"],
  ["∅", "emptyset"],
]);

/** Commands that only change how a formula looks. */
const ignoredCommands = new Set(
  (
    "left right big Big bigg Bigg bigl bigr displaystyle textstyle limits quad qquad overline bar vec hat overrightarrow " +
    "underline boldsymbol mathbb , ; : ! $ ( ) [ ] &"
  ).split(" "),
);

const textCommands = new Set("text textbf textit textrm mathrm mathbf mathit mbox operatorname".split(" "));

const commandSigns = new Map([
  ["cdot", "*"],
  ["times", "*"],
  ["ast", "*"],
  ["div", "/"],
  ["le", "≤"],
  ["leq", "≤"],
  ["leqslant", "≤"],
  ["ge", "≥"],
  ["geq", "≥"],
  ["geqslant", "≥"],
  ["lt", "<"],
  ["gt", ">"],
  ["pm", "±"],
  ["mp", "±"],
  ["cup", "∪"],
  ["{", "\\{"],
  ["lbrace", "\\{"],
  ["}", "\\}"],
  ["rbrace", "\\}"],
  ["%", "%"],
  ["circ", "°"],
  ["degree", "°"],
  ["lvert", "|"],
  ["rvert", "|"],
  ["vert", "|"],
  ["in", "∈"],
  ["ne", "≠"],
  ["neq", "≠"],
  ["approx", "="],
  ["lfloor", "⌊"],
  ["rfloor", "⌋"],
  ["lceil", "⌈"],
  ["rceil", "⌉"],
  ["mid", "|"],
]);

/** Functions and constants, which are names however they are written. */
const knownNames = new Set(
  (
    "frac dfrac tfrac cfrac binom dbinom tbinom sqrt sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh ln log lg exp abs " +
    "pi infty infinity oo emptyset varnothing"
  ).split(" "),
);

/**
 * Where a parser of formulas stands. A failure is remembered instead of thrown: what models write is data.
 */
export interface Parser {
  readonly tokens: readonly Token[];
  at: number;
  depth: number;
  failed: boolean;
}

/** Formulas nested deeper than this are not read: no answer needs more, and the stack stays small. */
const deepest = 40;

/** The expression that a value must be here. */
export function number(parser: Parser, value: MathValue): MathExpression {
  return value.kind === "expression" ? value : fail(parser);
}

/** One level deeper. */
export function nested(parser: Parser, parse: (parser: Parser) => MathValue): MathValue {
  if (parser.failed || parser.depth >= deepest) return fail(parser);
  parser.depth++;
  const value = parse(parser);
  parser.depth--;
  return value;
}

/** Remembers that the tokens are no formula. */
export function fail(parser: Parser): MathExpression {
  parser.failed = true;
  return constant(Number.NaN);
}

/** Whether the next token is this sign. */
export function peek({ tokens, at }: Parser, sign: string): boolean {
  return tokens[at]?.kind === "sign" && tokens[at]?.text === sign;
}

/** Moves past the next token if it is this sign. */
export function takeSign(parser: Parser, sign: string): boolean {
  if (!peek(parser, sign)) return false;
  parser.at++;
  return true;
}

/** Moves past the next token if it is one of these words. */
export function takeWord(parser: Parser, ...words: string[]): boolean {
  const token = parser.tokens[parser.at];
  if (token?.kind !== "word" || !words.includes(token.text)) return false;
  parser.at++;
  return true;
}
