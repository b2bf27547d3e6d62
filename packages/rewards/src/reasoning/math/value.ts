/** A number, or a number for every value of its variables. */
export interface MathExpression {
  readonly kind: "expression";
  /** The variables it depends on. */
  readonly names: ReadonlySet<string>;
  /** Its value; NaN where it is undefined or too large or small for a number. */
  readonly at: (variables: (name: string) => number) => number;
  /**
   * Its value modulo the {@link prime}, where it is rational: exact, however large. Undefined where it is not. Two
   * expressions that agree here at random points are the same (Schwartz-Zippel).
   */
  readonly modulo: (variables: (name: string) => number) => number | undefined;
  /** The variable that it is, and nothing else; `f(x)` counts as one. */
  readonly lone?: string;
  /** It was written with a percent sign. */
  readonly percent?: boolean;
  /** It was written with a degree sign. */
  readonly degrees?: boolean;
  /** The words behind it. */
  readonly unit?: string;
}

export type RelationSign = "=" | "≠" | "<" | ">" | "≤" | "≥" | "∈";

/** What a formula can denote. */
export type MathValue =
  | MathExpression
  | { readonly kind: "set"; readonly items: readonly MathValue[] }
  | {
      readonly kind: "tuple"; // or interval: the same notation; or the rows of a matrix, or a ratio of several numbers
      readonly opening: string;
      readonly closing: string;
      readonly items: readonly MathValue[];
    }
  | { readonly kind: "union"; readonly parts: readonly MathValue[] }
  | {
      readonly kind: "relation";
      readonly sides: readonly MathValue[];
      readonly signs: readonly RelationSign[];
    };

/** Below 2^26, so that products of two remainders are exact. */
export const prime = 67_108_859;

const none: ReadonlySet<string> = new Set();

/** A number without variables. */
export function constant(value: number): MathExpression {
  return { kind: "expression", names: none, at: () => value, modulo: () => undefined };
}

/** A number as its digits: exact modulo the prime. */
export function decimal(digits: string): MathExpression {
  const [mantissa = "", exponent = "0"] = digits.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  let remainder = 0;
  for (const digit of whole + fraction) remainder = (remainder * 10 + Number(digit)) % prime;
  const scale = powerModulo(10, Number(exponent) - fraction.length);
  const value = times(remainder, scale);
  return { kind: "expression", names: none, at: () => bounded(Number(digits)), modulo: () => value };
}

export function variable(name: string): MathExpression {
  const at = (variables: (name: string) => number): number => variables(name);
  const modulo = (variables: (name: string) => number): number =>
    Math.floor(Math.abs(variables(name)) * 1e6) % prime;
  return { kind: "expression", names: new Set([name]), at, modulo, lone: name };
}

/** An expression made of others; without `combineModulo` it is not rational. */
export function expression(
  parts: readonly MathExpression[],
  combine: (...values: number[]) => number,
  combineModulo?: (...values: number[]) => number | undefined,
): MathExpression {
  return {
    kind: "expression",
    names: new Set(parts.flatMap((part) => [...part.names])),
    at: (variables) => {
      const values = parts.map((part) => part.at(variables));
      const value = combine(...values);
      return values.every(Number.isFinite) ? bounded(value) : value;
    },
    modulo: (variables) => {
      const values = combineModulo ? parts.map((part) => part.modulo(variables)) : [undefined];
      return values.includes(undefined) ? undefined : combineModulo?.(...(values as number[]));
    },
  };
}

/** What overflowed to infinity is no number: 10^400 is not infinite, and 2^2000 is not 2^2001. */
function bounded(value: number): number {
  return Number.isFinite(value) ? value : Number.NaN;
}

export function sum(a: MathExpression, b: MathExpression): MathExpression {
  return expression(
    [a, b],
    (x, y) => x + y,
    (x, y) => (x + y) % prime,
  );
}

export function negative(a: MathExpression): MathExpression {
  return expression(
    [a],
    (x) => -x,
    (x) => (prime - x) % prime,
  );
}

export function product(a: MathExpression, b: MathExpression): MathExpression {
  return expression([a, b], (x, y) => notVanished(x * y, x, y), times);
}

export function quotient(a: MathExpression, b: MathExpression): MathExpression {
  return expression(
    [a, b],
    (x, y) => notVanished(x / y, x),
    (x, y) => (y === 0 ? undefined : times(x, powerModulo(y, prime - 2))),
  );
}

export function power(a: MathExpression, b: MathExpression): MathExpression {
  const exponent = b.names.size === 0 ? b.at(() => 0) : Number.NaN;
  const exact = Number.isInteger(exponent) && Math.abs(exponent) <= 1e9;
  return expression(
    [a, b],
    (x, y) => notVanished(x ** y, x),
    exact ? (x) => (x === 0 && exponent < 0 ? undefined : powerModulo(x, exponent)) : undefined,
  );
}

/** A product, quotient or power that became zero though its parts are not is too small for a number. */
function notVanished(value: number, ...parts: number[]): number {
  return value === 0 && parts.every((part) => part !== 0 && Number.isFinite(part)) ? Number.NaN : value;
}

/** n! for whole n from 0 to 170, else NaN; exact modulo the prime up to 10 000. */
export function factorial(a: MathExpression): MathExpression {
  const of = (n: number): number =>
    Number.isInteger(n) && n >= 0 && n <= 170 ? productTo(n, (x, y) => x * y) : Number.NaN;
  const exact = (n: number): number | undefined => (n <= 10_000 ? productTo(n, times) : undefined);
  return expression([a], of, exact);
}

function productTo(n: number, multiply: (a: number, b: number) => number): number {
  let value = 1;
  for (let i = 2; i <= n; i++) value = multiply(value, i);
  return value;
}

/** `\binom{n}{k}` for whole numbers; NaN for others. */
export function binomial(n: number, k: number): number {
  if (!Number.isInteger(n) || !Number.isInteger(k) || k < 0 || n < k || k > 1000) return Number.NaN;
  let value = 1;
  for (let i = 1; i <= k; i++) value = (value * (n - k + i)) / i;
  return Math.round(value);
}

function times(a: number, b: number): number {
  return (a * b) % prime;
}

/** base^exponent modulo the prime; a negative exponent inverts. */
function powerModulo(base: number, exponent: number): number {
  let rest = exponent < 0 ? (-exponent % (prime - 1)) * (prime - 2) : exponent;
  rest %= prime - 1;
  let square = base % prime;
  let value = 1;
  for (; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) value = times(value, square);
    square = times(square, square);
  }
  return value;
}

const functions = new Map<string, (x: number) => number>([
  ["sin", Math.sin],
  ["cos", Math.cos],
  ["tan", Math.tan],
  ["cot", (x) => 1 / Math.tan(x)],
  ["sec", (x) => 1 / Math.cos(x)],
  ["csc", (x) => 1 / Math.sin(x)],
  ["arcsin", Math.asin],
  ["arccos", Math.acos],
  ["arctan", Math.atan],
  ["asin", Math.asin],
  ["acos", Math.acos],
  ["atan", Math.atan],
  ["sinh", Math.sinh],
  ["cosh", Math.cosh],
  ["tanh", Math.tanh],
  ["ln", Math.log],
  ["log", Math.log10],
  ["lg", Math.log10],
  ["exp", Math.exp],
  ["abs", Math.abs],
]);

/** The functions of one argument that formulas name; `log` without a base is the decimal logarithm. */
export const unaryFunctions: ReadonlySet<string> = new Set(functions.keys());

/** One of {@link unaryFunctions}; degrees are for those of angles. */
export function applyFunction(name: string, argument: MathExpression): MathExpression {
  const apply = functions.get(name) ?? (() => Number.NaN);
  const isAngle = argument.degrees === true && /^(sin|cos|tan|cot|sec|csc)$/.test(name);
  return expression([argument], isAngle ? (x) => apply((x * Math.PI) / 180) : apply);
}

/** The real root: odd roots of negative numbers exist. */
export function root(x: number, degree: number): number {
  if (x < 0 && Number.isInteger(degree) && Math.abs(degree % 2) === 1) return -((-x) ** (1 / degree));
  return degree === 2 ? Math.sqrt(x) : degree === 3 ? Math.cbrt(x) : x ** (1 / degree);
}
