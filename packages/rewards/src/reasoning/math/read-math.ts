import { parseMath } from "./parse.ts";
import { tokenize, type Token } from "./tokens.ts";
import type { MathValue } from "./value.ts";

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

/**
 * The parts of an answer that may be meant as its formula, likeliest first: the content of the last
 * \boxed{}, the last formula between dollars or \( \), the whole text, and what follows its last colon,
 * "is" or equals sign.
 */
export function mathCandidates(answer: string): string[] {
  const boxed = lastBoxed(answer);
  if (boxed !== undefined) return [boxed];
  const candidates = [answer];
  const formula =
    lastBetween(answer, "$", "$") ?? lastBetween(answer, "\\(", "\\)") ?? lastBetween(answer, "\\[", "\\]");
  if (formula !== undefined) candidates.push(formula);
  for (const mark of [":", " is ", "="]) {
    const at = answer.lastIndexOf(mark);
    if (at >= 0) candidates.push(answer.slice(at + mark.length));
  }
  return candidates;
}

/** The content of the last \boxed{...} or \fbox{...}, undefined when there is none that closes. */
export function lastBoxed(text: string): string | undefined {
  const start = Math.max(text.lastIndexOf("\\boxed{"), text.lastIndexOf("\\fbox{"));
  if (start < 0) return undefined;
  const opening = text.indexOf("{", start);
  let depth = 0;
  for (let i = opening; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return text.slice(opening + 1, i);
  }
  return undefined;
}

function lastBetween(text: string, opening: string, closing: string): string | undefined {
  const end = text.lastIndexOf(closing);
  if (end <= 0) return undefined;
  const start = text.lastIndexOf(opening, end - 1);
  return start < 0 ? undefined : text.slice(start + opening.length, end);
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
