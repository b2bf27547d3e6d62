import type { Parser, Token } from "./tokens.ts";

/** What one unit is in the base unit of its kind. */
interface Unit {
  readonly kind: string;
  readonly size: number;
}

const kinds: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  length: {
    "nm nanometer nanometers": 1e-9,
    "mm millimeter millimeters millimetre millimetres": 1e-3,
    "cm centimeter centimeters centimetre centimetres": 1e-2,
    "m meter meters metre metres": 1,
    "km kilometer kilometers kilometre kilometres": 1e3,
    "in inch inches": 0.0254,
    "ft foot feet": 0.3048,
    "yd yard yards": 0.9144,
    "mi mile miles": 1609.344,
  },
  mass: {
    "mg milligram milligrams": 1e-6,
    "g gram grams": 1e-3,
    "kg kilogram kilograms": 1,
    "t ton tons tonne tonnes": 1e3,
    "oz ounce ounces": 0.028349523125,
    "lb lbs pound pounds": 0.45359237,
  },
  time: {
    "ms millisecond milliseconds": 1e-3,
    "s sec secs second seconds": 1,
    "min mins minute minutes": 60,
    "h hr hrs hour hours": 3600,
    "day days": 86_400,
    "week weeks": 604_800,
  },
  volume: {
    "ml milliliter milliliters millilitre millilitres": 1e-3,
    "l liter liters litre litres": 1,
  },
  money: { "cent cents": 0.01, "dollar dollars usd": 1 },
  angle: { "deg degree degrees": 1 },
};

const units = new Map<string, Unit>(
  Object.entries(kinds).flatMap(([kind, sizes]) =>
    Object.entries(sizes).flatMap(([names, size]) =>
      names.split(" ").map((name): [string, Unit] => [name, { kind, size }]),
    ),
  ),
);

/** Whether a word names a unit that this module knows. */
export function isUnit(word: string): boolean {
  return units.has(word.toLowerCase());
}

/**
 * How many of unit `to` one of unit `from` is, undefined when they do not measure the same. `square` and
 * `^2` are carried along.
 */
export function unitScale(from: string, to: string): number | undefined {
  const a = powered(from);
  const b = powered(to);
  if (a.name === b.name && a.power === b.power) return 1;
  const first = units.get(a.name);
  const second = units.get(b.name);
  if (!first || !second || first.kind !== second.kind || a.power !== b.power) return undefined;
  return (first.size / second.size) ** a.power;
}

function powered(unit: string): { readonly name: string; readonly power: number } {
  const lower = unit.toLowerCase().trim();
  if (lower.startsWith("square ") || lower.startsWith("sq "))
    return { name: lower.slice(lower.indexOf(" ") + 1), power: 2 };
  if (lower.startsWith("cubic ")) return { name: lower.slice(6), power: 3 };
  if (lower.endsWith("^2")) return { name: lower.slice(0, -2), power: 2 };
  if (lower.endsWith("^3")) return { name: lower.slice(0, -2), power: 3 };
  return { name: lower, power: 1 };
}

/** The words behind a number: `cm`, `m/s`, `square units`, `cm^2`. */
export function parseUnit(parser: Parser): string | undefined {
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
export function isLetterUnit(tokens: readonly Token[], at: number): boolean {
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
