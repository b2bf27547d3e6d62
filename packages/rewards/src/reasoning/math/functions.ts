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
  ["exp", Math.exp],
  ["abs", Math.abs],
]);

/** The functions of one argument that formulas name; `log` without a base is the decimal logarithm. */
export const unaryFunctions: ReadonlySet<string> = new Set(functions.keys());

/** One of {@link unaryFunctions}. */
export function applyFunction(name: string): (x: number) => number {
  return functions.get(name) ?? (() => Number.NaN);
}

/** n! for whole n from 0 to 170, else NaN. */
export function factorial(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 170) return Number.NaN;
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}

/** The real root: odd roots of negative numbers exist. */
export function root(x: number, degree: number): number {
  if (x < 0 && Number.isInteger(degree) && Math.abs(degree % 2) === 1) return -((-x) ** (1 / degree));
  return degree === 2 ? Math.sqrt(x) : degree === 3 ? Math.cbrt(x) : x ** (1 / degree);
}
