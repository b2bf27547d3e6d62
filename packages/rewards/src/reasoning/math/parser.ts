import type { Token } from "./tokens.ts";
import { constant, type MathExpression, type MathValue } from "./value.ts";

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
