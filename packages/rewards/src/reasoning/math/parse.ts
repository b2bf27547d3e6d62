import { applyFunction, factorial, root, unaryFunctions } from "./functions.ts";
import { constant, expression, type MathExpression, type MathValue, type RelationSign } from "./value.ts";
import { fail, nested, number, peek, takeSign, takeWord, type Parser } from "./parser.ts";
import type { Token } from "./tokens.ts";
import { isUnit } from "./units.ts";

/**
 * Reads tokens as a formula: a number or expression, a list, a set, a tuple or interval, a union, or a
 * relation; words after it are its unit. Undefined when the tokens are no formula.
 */
export function parseMath(tokens: readonly Token[]): MathValue | undefined {
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

const relations: readonly RelationSign[] = ["=", "<", ">", "≤", "≥", "∈"];

function parseRelation(parser: Parser): MathValue {
  const sides = [parseUnion(parser)];
  const signs: RelationSign[] = [];
  for (;;) {
    const sign = relations.find((candidate) => takeSign(parser, candidate));
    if (!sign || parser.failed) break;
    const orEqual = (sign === "<" || sign === ">") && takeSign(parser, "=");
    signs.push(orEqual ? (sign === "<" ? "≤" : "≥") : sign);
    sides.push(parseUnion(parser));
  }
  return signs.length === 0 ? (sides[0] as MathValue) : { kind: "relation", sides, signs };
}

function parseUnion(parser: Parser): MathValue {
  const parts = [parseSum(parser)];
  while (!parser.failed && takeSign(parser, "∪")) parts.push(parseSum(parser));
  return parts.length === 1 ? (parts[0] as MathValue) : { kind: "union", parts };
}

function parseSum(parser: Parser): MathValue {
  let sum = parseProduct(parser);
  for (;;) {
    const plus = takeSign(parser, "+");
    if (!plus && !takeSign(parser, "-")) return sum;
    const left = number(parser, sum);
    const right = number(parser, parseProduct(parser));
    sum = expression([left, right], plus ? (a, b) => a + b : (a, b) => a - b);
    if (parser.failed) return sum;
  }
}

function parseProduct(parser: Parser): MathValue {
  let product = parseSigned(parser);
  while (!parser.failed) {
    const divided = takeSign(parser, "/") || takeSign(parser, ":");
    if (!divided && !takeSign(parser, "*") && !startsFactor(parser)) break;
    const left = number(parser, product);
    const right = number(parser, parseSigned(parser));
    product = expression([left, right], divided ? (a, b) => a / b : (a, b) => a * b);
  }
  return product;
}

/** Whether the next token multiplies without a sign: `2x`, `3(4)`, `2\sqrt{3}`. */
function startsFactor({ tokens, at }: Parser): boolean {
  const token = tokens[at];
  if (!token || isLetterUnit(tokens, at)) return false;
  if (token.kind === "name") return true;
  if (token.kind === "number") return tokens[at - 1]?.kind !== "number";
  return token.text === "(" || token.text === "{" || token.text === "√";
}

function parseSigned(parser: Parser): MathValue {
  let negative = false;
  while (peek(parser, "-") || peek(parser, "+"))
    negative = (parser.tokens[parser.at++] as Token).text === "-" ? !negative : negative;
  const value = parsePower(parser);
  return negative ? expression([number(parser, value)], (a) => -a) : value;
}

function parsePower(parser: Parser): MathValue {
  let value = parsePostfix(parser);
  if (!peek(parser, "^") || takeDegree(parser)) return value;
  parser.at++;
  const exponent = number(parser, nested(parser, parseSigned));
  value = expression([number(parser, value), exponent], (a, b) => a ** b);
  return value;
}

/** `^\circ` and `^{\circ}`: degrees are the number they stand behind. */
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
    if (takeSign(parser, "%"))
      value = { ...expression([number(parser, value)], (a) => a / 100), percent: true };
    else if (takeSign(parser, "!")) value = expression([number(parser, value)], factorial);
    else if (!takeSign(parser, "°")) return value;
  }
}

function parsePrimary(parser: Parser): MathValue {
  const token = parser.tokens[parser.at];
  if (!token) return fail(parser);
  parser.at++;
  if (token.kind === "number") return mixedNumber(parser, constant(Number(token.text)));
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
    case "½":
      return constant(0.5);
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

function parseName(parser: Parser, name: string): MathValue {
  if (name.endsWith("frac")) return parseFraction(parser);
  if (name === "sqrt") return parseRoot(parser);
  if (unaryFunctions.has(name)) return parseFunction(parser, name);
  if (name === "emptyset" || name === "varnothing") return { kind: "set", items: [] };
  if (name === "pi") return constant(Math.PI);
  if (name === "e") return constant(Math.E);
  if (name === "infty" || name === "infinity" || name === "oo") return constant(Infinity);
  const subscript = takeSign(parser, "_") ? takeSubscript(parser) : "";
  const full = name + subscript;
  return { kind: "expression", names: new Set([full]), at: (variables) => variables(full), lone: full };
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
  return expression([top, bottom], (a, b) => a / b);
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

/** `\sin x`, `\sin^2 x`, `\log_2 8`, `sin(2x)`. */
function parseFunction(parser: Parser, name: string): MathValue {
  const base = takeSign(parser, "_") ? number(parser, nested(parser, parsePrimary)) : undefined;
  const power = takeSign(parser, "^") ? number(parser, nested(parser, parsePrimary)) : undefined;
  const argument = number(parser, nested(parser, parseArgument));
  const value = base
    ? expression([argument, base], (a, b) => Math.log(a) / Math.log(b))
    : expression([argument], applyFunction(name));
  return power ? expression([value, power], (a, b) => a ** b) : value;
}

/** What a function without brackets applies to: a product without signs. */
function parseArgument(parser: Parser): MathValue {
  let product = parsePower(parser);
  if (parser.tokens[parser.at - 1]?.text === ")") return product;
  while (!parser.failed && startsFactor(parser)) {
    product = expression([number(parser, product), number(parser, parsePower(parser))], (a, b) => a * b);
  }
  return product;
}

/** `1\frac{1}{2}` and `1 1/2` are one and a half. */
function mixedNumber(parser: Parser, whole: MathExpression): MathValue {
  const { tokens, at } = parser;
  const next = tokens[at];
  const fraction = next?.kind === "name" && next.text.endsWith("frac") && isPlainFraction(tokens, at + 1);
  if (fraction) {
    parser.at++;
    return expression([whole, number(parser, parseFraction(parser))], (a, b) => a + b);
  }
  if (next?.kind !== "number" || tokens[at + 1]?.text !== "/" || tokens[at + 2]?.kind !== "number")
    return whole;
  parser.at += 3;
  return expression([whole, constant(Number(next.text) / Number(tokens[at + 2]?.text))], (a, b) => a + b);
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

/** The words behind a number: `cm`, `m/s`, `square units`, `cm^2`. */
function parseUnit(parser: Parser): string | undefined {
  const { tokens } = parser;
  if (tokens[parser.at]?.kind !== "word" && !isLetterUnit(tokens, parser.at)) return undefined;
  let unit = "";
  while (parser.at < tokens.length) {
    const token = tokens[parser.at] as Token;
    if (token.kind === "sign" && !"^/*{}()".includes(token.text)) return undefined;
    unit += (token.kind === "word" && unit !== "" ? " " : "") + token.text;
    parser.at++;
  }
  return unit.replace(/[{}()]/g, "");
}

/** Whether a letter apart from the number before it, at the end, is its unit: `5 m`, `9 m^2`, `3 m/s`. */
function isLetterUnit(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  if (token?.kind !== "name" || !token.spaced || !isUnit(token.text) || tokens[at - 1]?.kind !== "number")
    return false;
  const next = tokens[at + 1];
  return (
    next === undefined ||
    (next.text === "^" && at + 3 === tokens.length) ||
    (next.text === "/" && !next.spaced)
  );
}
