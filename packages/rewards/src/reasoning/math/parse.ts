import {
  applyFunction,
  binomial,
  constant,
  decimal,
  expression,
  factorial,
  negative,
  power,
  product,
  quotient,
  root,
  sum,
  unaryFunctions,
  variable,
  type MathExpression,
  type MathValue,
  type RelationSign,
} from "./value.ts";
import {
  fail,
  nested,
  number,
  peek,
  takeSign,
  takeWord,
  tokenize,
  type Parser,
  type Token,
} from "./tokens.ts";
import { isLetterUnit, parseUnit } from "./units.ts";

/** Longer texts are not read as formulas: no answer needs more. */
const longest = 2000;

/** The formula in a text, or undefined when there is none. `±` stands for both signs. */
export function readMath(text: string): MathValue | undefined {
  if (text.length > longest) return undefined;
  const tokens = tokenize(withoutPeriod(text));
  if (!tokens || tokens.length === 0) return undefined;
  if (!tokens.some((token) => token.text === "±")) return parseMath(tokens);
  const plus = parseMath(withSign(tokens, "+"));
  const minus = parseMath(withSign(tokens, "-"));
  if (!plus || !minus) return undefined;
  return { kind: "set", items: [rightSide(plus), rightSide(minus)] };
}

function withSign(tokens: readonly Token[], sign: string): Token[] {
  return tokens.map((token) => (token.text === "±" ? { ...token, text: sign } : token));
}

function rightSide(value: MathValue): MathValue {
  const equation = value.kind === "relation" && value.signs.length === 1 && value.signs[0] === "=";
  return equation ? (value.sides[1] as MathValue) : value;
}

/** The text without white space and sentence punctuation at its end. */
function withoutPeriod(text: string): string {
  const trimmed = text.trim();
  let end = trimmed.length;
  while (end > 0 && ".,;:".includes(trimmed[end - 1] as string)) end--;
  return trimmed.slice(0, end);
}

/**
 * Reads tokens as a formula: a number or expression, a list, a set, a tuple or interval, a union, or a
 * relation; words after it are its unit. Undefined when the tokens are no formula.
 */
function parseMath(tokens: readonly Token[]): MathValue | undefined {
  const parser: Parser = { tokens, at: 0, depth: 0, failed: false };
  const value = parseList(parser);
  const unit = parser.failed ? undefined : parseUnit(parser);
  if (parser.failed || parser.at < tokens.length) return undefined;
  if (unit === undefined) return value;
  return value.kind === "expression" && value.names.size === 0 ? { ...value, unit } : undefined;
}

/** Items parted by commas: one item is itself, several are an unordered list. */
function parseList(parser: Parser): MathValue {
  const items = parseItems(parser);
  return items.length === 1 ? (items[0] as MathValue) : { kind: "set", items };
}

function parseItems(parser: Parser): MathValue[] {
  const items = [parseRelation(parser)];
  while (
    !parser.failed &&
    (takeSign(parser, ",") || takeSign(parser, ";") || takeWord(parser, "and", "or"))
  ) {
    items.push(parseRelation(parser));
  }
  return items;
}

const relations: readonly RelationSign[] = ["=", "≠", "<", ">", "≤", "≥", "∈"];

function parseRelation(parser: Parser): MathValue {
  const sides = [parseRatio(parser)];
  const signs: RelationSign[] = [];
  for (;;) {
    const sign = relations.find((candidate) => takeSign(parser, candidate));
    if (!sign || parser.failed) break;
    const orEqual = (sign === "<" || sign === ">") && takeSign(parser, "=");
    signs.push(orEqual ? (sign === "<" ? "≤" : "≥") : sign);
    sides.push(parseRatio(parser));
  }
  return signs.length === 0 ? (sides[0] as MathValue) : { kind: "relation", sides, signs };
}

/** `3:4` is a quotient; `1:2:3` is its numbers over the first, so that `2:4:6` is the same. */
function parseRatio(parser: Parser): MathValue {
  const first = parseUnion(parser);
  const others: MathExpression[] = [];
  while (!parser.failed && takeSign(parser, ":")) others.push(number(parser, parseUnion(parser)));
  const [second] = others;
  if (!second) return first;
  const base = number(parser, first);
  if (others.length === 1) return quotient(base, second);
  return { kind: "tuple", opening: ":", closing: ":", items: others.map((item) => quotient(item, base)) };
}

function parseUnion(parser: Parser): MathValue {
  const parts = [parseSum(parser)];
  while (!parser.failed && takeSign(parser, "∪")) parts.push(parseSum(parser));
  if (parts.length === 1) return parts[0] as MathValue;
  const sets = parts.filter((part) => part.kind === "set");
  if (sets.length === parts.length) return { kind: "set", items: sets.flatMap(({ items }) => items) };
  return { kind: "union", parts };
}

function parseSum(parser: Parser): MathValue {
  let total = parseProduct(parser);
  for (;;) {
    const plus = takeSign(parser, "+");
    if (!plus && !takeSign(parser, "-")) return total;
    const left = number(parser, total);
    const right = number(parser, parseProduct(parser));
    total = sum(left, plus ? right : negative(right));
    if (parser.failed) return total;
  }
}

function parseProduct(parser: Parser): MathValue {
  let total = parseSigned(parser);
  while (!parser.failed) {
    const divided = takeSign(parser, "/");
    if (!divided && !takeSign(parser, "*") && !startsFactor(parser)) break;
    const left = number(parser, total);
    const right = number(parser, parseSigned(parser));
    total = divided ? quotient(left, right) : product(left, right);
  }
  return total;
}

/** Whether the next token multiplies without a sign: `2x`, `3(4)`, `2\sqrt{3}`. */
function startsFactor({ tokens, at }: Parser): boolean {
  const token = tokens[at];
  if (!token || isLetterUnit(tokens, at)) return false;
  if (token.kind === "name") return true;
  if (token.kind === "number") return tokens[at - 1]?.kind !== "number";
  return "({√⌊⌈".includes(token.text);
}

function parseSigned(parser: Parser): MathValue {
  let isNegative = false;
  while (peek(parser, "-") || peek(parser, "+"))
    isNegative = (parser.tokens[parser.at++] as Token).text === "-" ? !isNegative : isNegative;
  const value = parsePower(parser);
  return isNegative ? { ...negative(number(parser, value)), ...written(value) } : value;
}

/** How a number was written, which its negative shares. */
function written(value: MathValue): Partial<MathExpression> {
  if (value.kind !== "expression") return {};
  return {
    ...(value.percent === true && { percent: true }),
    ...(value.degrees === true && { degrees: true }),
  };
}

function parsePower(parser: Parser): MathValue {
  const value = parsePostfix(parser);
  if (!peek(parser, "^")) return value;
  if (takeDegree(parser)) return { ...number(parser, value), degrees: true };
  parser.at++;
  const exponent = number(parser, nested(parser, parseSigned));
  return power(number(parser, value), exponent);
}

/** `^\circ` and `^{\circ}`: degrees are the number they stand behind, but inside trigonometric functions. */
function takeDegree(parser: Parser): boolean {
  const { tokens, at } = parser;
  const braced = tokens[at + 1]?.text === "{" && tokens[at + 3]?.text === "}";
  if (tokens[at + (braced ? 2 : 1)]?.text !== "°") return false;
  parser.at += braced ? 4 : 2;
  return true;
}

function parsePostfix(parser: Parser): MathValue {
  let value = parsePrimary(parser);
  for (;;) {
    if (takeSign(parser, "%")) value = { ...quotient(number(parser, value), decimal("100")), percent: true };
    else if (takeSign(parser, "!")) value = factorial(number(parser, value));
    else if (takeSign(parser, "°")) value = { ...number(parser, value), degrees: true };
    else return value;
  }
}

function parsePrimary(parser: Parser): MathValue {
  const token = parser.tokens[parser.at];
  if (!token) return fail(parser);
  parser.at++;
  if (token.kind === "number") return mixedNumber(parser, decimal(token.text));
  if (token.kind === "name") return parseName(parser, token.text);
  if (token.kind === "word") return fail(parser);
  switch (token.text) {
    case "(":
    case "[":
      return nested(parser, (inner) => parseBrackets(inner, token.text));
    case "{":
    case "\\{":
      return nested(parser, (inner) => parseBraces(inner, token.text));
    case "|":
      return nested(parser, (inner) => {
        const value = number(inner, parseSum(inner));
        if (!takeSign(inner, "|")) return fail(inner);
        return expression([value], Math.abs);
      });
    case "√":
      return expression([number(parser, nested(parser, parsePower))], Math.sqrt);
    case "⌊":
    case "⌈":
      return nested(parser, (inner) => {
        const value = number(inner, parseSum(inner));
        if (!takeSign(inner, token.text === "⌊" ? "⌋" : "⌉")) return fail(inner);
        return expression([value], token.text === "⌊" ? Math.floor : Math.ceil);
      });
    case "matrix":
      return nested(parser, parseMatrix);
    default:
      return fail(parser);
  }
}

/** A group, a tuple or an interval; the closing bracket may differ from the opening one. */
function parseBrackets(parser: Parser, opening: string): MathValue {
  const items = parseItems(parser);
  const closing = takeSign(parser, ")") ? ")" : takeSign(parser, "]") ? "]" : undefined;
  if (!closing) return fail(parser);
  return items.length === 1 ? (items[0] as MathValue) : { kind: "tuple", opening, closing, items };
}

/** A LaTeX group, or a set. */
function parseBraces(parser: Parser, opening: string): MathValue {
  const closing = opening === "{" ? "}" : "\\}";
  if (takeSign(parser, closing)) return { kind: "set", items: [] };
  const items = parseItems(parser);
  if (!takeSign(parser, closing)) return fail(parser);
  return opening === "{" && items.length === 1 ? (items[0] as MathValue) : { kind: "set", items };
}

/** The rows of a matrix, whatever its brackets: `&` and line breaks are signs of their own. */
function parseMatrix(parser: Parser): MathValue {
  const rows: MathValue[] = [];
  let row: MathValue[] = [];
  const tuple = (items: readonly MathValue[]): MathValue => ({
    kind: "tuple",
    opening: "matrix",
    closing: "matrix",
    items,
  });
  while (!parser.failed) {
    row.push(parseRelation(parser));
    if (takeSign(parser, "&")) continue;
    rows.push(tuple(row));
    row = [];
    const broken = takeSign(parser, "newline");
    if (takeSign(parser, "endmatrix")) return tuple(rows);
    if (!broken) return fail(parser);
  }
  return tuple(rows);
}

function parseName(parser: Parser, name: string): MathValue {
  if (name.endsWith("frac")) return parseFraction(parser);
  if (name.endsWith("binom")) {
    const [n, k] = [0, 1].map(() => number(parser, nested(parser, parsePrimary))) as [
      MathExpression,
      MathExpression,
    ];
    return expression([n, k], binomial);
  }
  if (name === "sqrt") return parseRoot(parser);
  if (unaryFunctions.has(name)) return parseFunction(parser, name);
  if (name === "emptyset" || name === "varnothing") return { kind: "set", items: [] };
  if (name === "pi") return constant(Math.PI);
  if (name === "e") return constant(Math.E);
  if (name === "infty" || name === "infinity" || name === "oo") return constant(Infinity);
  const subscript = takeSign(parser, "_") ? takeSubscript(parser) : "";
  return variable(name + subscript);
}

function takeSubscript(parser: Parser): string {
  const first = parser.tokens[parser.at];
  if (first && first.kind !== "sign") {
    parser.at++;
    return `_${first.text}`;
  }
  let text = "_";
  if (!takeSign(parser, "{")) fail(parser);
  while (!parser.failed && !takeSign(parser, "}")) {
    const token = parser.tokens[parser.at++];
    if (token) text += token.text;
    else fail(parser);
  }
  return text;
}

function parseFraction(parser: Parser): MathValue {
  const top = number(parser, nested(parser, parsePrimary));
  const bottom = number(parser, nested(parser, parsePrimary));
  return quotient(top, bottom);
}

function parseRoot(parser: Parser): MathValue {
  let degree: MathExpression = constant(2);
  if (takeSign(parser, "[")) {
    degree = number(parser, nested(parser, parseSum));
    if (!takeSign(parser, "]")) return fail(parser);
  }
  const radicand = number(parser, nested(parser, parsePrimary));
  return expression([radicand, degree], root);
}

/** `\sin x`, `\sin^2 x`, `\log_2 8`, `sin(2x)`, `sin(x)^2`. */
function parseFunction(parser: Parser, name: string): MathValue {
  const base = takeSign(parser, "_") ? number(parser, nested(parser, parsePrimary)) : undefined;
  let exponent = takeSign(parser, "^") ? number(parser, nested(parser, parsePrimary)) : undefined;
  const bracketed = peek(parser, "(");
  const argument = number(parser, nested(parser, bracketed ? parsePrimary : parseArgument));
  if (bracketed && peek(parser, "^") && !takeDegree(parser)) {
    parser.at++;
    exponent = number(parser, nested(parser, parseSigned)); // sin(x)^2 is (sin x)^2
  }
  const value = base
    ? expression([argument, base], (a, b) => Math.log(a) / Math.log(b))
    : applyFunction(name, argument);
  if (!exponent) return value;
  const inverse =
    exponent.names.size === 0 && exponent.at(() => 0) === -1 && unaryFunctions.has(`arc${name}`);
  return inverse ? applyFunction(`arc${name}`, argument) : power(value, exponent);
}

/** What a function without brackets applies to: a product without signs, up to the next function. */
function parseArgument(parser: Parser): MathValue {
  let total = parsePower(parser);
  while (
    !parser.failed &&
    startsFactor(parser) &&
    !unaryFunctions.has(parser.tokens[parser.at]?.text ?? "")
  ) {
    total = product(number(parser, total), number(parser, parsePower(parser)));
  }
  return total;
}

/** `1\frac{1}{2}` and `1 1/2` are one and a half. */
function mixedNumber(parser: Parser, whole: MathExpression): MathValue {
  const { tokens, at } = parser;
  const next = tokens[at];
  const fraction = next?.kind === "name" && next.text.endsWith("frac") && isPlainFraction(tokens, at + 1);
  if (fraction) {
    parser.at++;
    return sum(whole, number(parser, parseFraction(parser)));
  }
  if (next?.kind !== "number" || tokens[at + 1]?.text !== "/" || tokens[at + 2]?.kind !== "number")
    return whole;
  parser.at += 3;
  return sum(whole, quotient(decimal(next.text), decimal((tokens[at + 2] as Token).text)));
}

function isPlainFraction(tokens: readonly Token[], at: number): boolean {
  if (tokens[at]?.kind === "number") return tokens[at + 1]?.kind === "number";
  return (
    tokens[at + 1]?.kind === "number" &&
    tokens[at + 2]?.text === "}" &&
    tokens[at + 4]?.kind === "number" &&
    tokens[at + 5]?.text === "}"
  );
}
