import { unitScale } from "./units.ts";
import { constant, type MathExpression, type MathValue } from "./value.ts";

/**
 * Whether two formulas denote the same: expressions with equal values wherever both are defined, sets in
 * any order, tuples and intervals with the same brackets, equations and inequalities with the same
 * solutions where that is evident.
 */
export function sameMath(a: MathValue, b: MathValue, tolerance: number): boolean {
  const left = solved(a, b);
  const right = solved(b, a);
  if (left.kind === "expression" && right.kind === "expression")
    return sameExpression(left, right, tolerance);
  if (left.kind === "set" && right.kind === "set") return sameItems(left.items, right.items, tolerance);
  if (left.kind === "union" && right.kind === "union") return sameItems(left.parts, right.parts, tolerance);
  if (left.kind === "tuple" && right.kind === "tuple") {
    if (left.opening !== right.opening || left.closing !== right.closing) return false;
    return sameSequence(left.items, right.items, tolerance);
  }
  if (left.kind === "relation" && right.kind === "relation") return sameRelation(left, right, tolerance);
  if (left.kind === "set" && left.items.length === 1)
    return sameMath(left.items[0] as MathValue, right, tolerance);
  if (right.kind === "set" && right.items.length === 1)
    return sameMath(left, right.items[0] as MathValue, tolerance);
  return false;
}

type Relation = Extract<MathValue, { kind: "relation" }>;

/** `x = 5` as 5 when the other side is no equation, `x > 5` as an interval, `x ∈ S` as S. */
function solved(value: MathValue, other: MathValue): MathValue {
  if (value.kind !== "relation") return value;
  const { sides, signs } = value;
  const [left, right] = sides as [MathValue, MathValue];
  if (signs.length === 1 && signs[0] === "∈") return right;
  if (signs.length === 1 && signs[0] === "=") {
    const sameKind = other.kind === "relation" && other.signs.length === 1 && other.signs[0] === "=";
    if (!sameKind && (isLone(left) || sides.every(isConstant))) return right;
    return value;
  }
  // x = 2*3 = 6 is 6.
  if (signs.every((sign) => sign === "="))
    return other.kind === "relation" ? value : (sides.at(-1) as MathValue);
  return intervalOf(value) ?? value;
}

function isConstant(value: MathValue): boolean {
  return value.kind === "expression" && value.names.size === 0;
}

function isLone(value: MathValue): boolean {
  return value.kind === "expression" && value.lone !== undefined;
}

const infinity = constant(Infinity);
const minusInfinity = constant(-Infinity);

/** `x < 3`, `3 > x`, `1 < x ≤ 2` as intervals. */
function intervalOf({ sides, signs }: Relation): MathValue | undefined {
  const rising = signs.every((sign) => sign === "<" || sign === "≤");
  const falling = signs.every((sign) => sign === ">" || sign === "≥");
  if (!rising && !falling) return undefined;
  const ordered = rising ? sides : sides.toReversed();
  const closed = (rising ? signs : signs.toReversed()).map((sign) => sign === "≤" || sign === "≥");
  const variable = ordered.findIndex(isLone);
  if (ordered.filter(isLone).length !== 1 || ordered.length > 3) return undefined;
  if (ordered.length === 3 && variable !== 1) return undefined;
  const low = ordered[variable - 1] ?? minusInfinity;
  const high = ordered[variable + 1] ?? infinity;
  const opening = variable > 0 && closed[variable - 1] === true ? "[" : "(";
  const closing = closed[variable] === true ? "]" : ")";
  return { kind: "tuple", opening, closing, items: [low, high] };
}

function sameRelation(a: Relation, b: Relation, tolerance: number): boolean {
  if (a.signs.length !== b.signs.length || !a.signs.every((sign, i) => sign === b.signs[i])) return false;
  if (sameSequence(a.sides, b.sides, tolerance)) return true;
  return a.signs.length === 1 && a.signs[0] === "=" && sameEquation(a.sides, b.sides, tolerance);
}

/** Two equations are the same when left minus right of one is a constant multiple of the other's. */
function sameEquation(a: readonly MathValue[], b: readonly MathValue[], tolerance: number): boolean {
  const sides = [...a, ...b];
  if (!sides.every((side) => side.kind === "expression")) return false;
  const [leftA, rightA, leftB, rightB] = sides as [
    MathExpression,
    MathExpression,
    MathExpression,
    MathExpression,
  ];
  const ratios = trials.map((trial) => {
    const variables = variablesOf(trial);
    return (leftA.at(variables) - rightA.at(variables)) / (leftB.at(variables) - rightB.at(variables));
  });
  const defined = ratios.filter((ratio) => Number.isFinite(ratio) && ratio !== 0);
  return defined.length >= 2 && defined.every((ratio) => isClose(ratio, defined[0] as number, tolerance));
}

function sameSequence(a: readonly MathValue[], b: readonly MathValue[], tolerance: number): boolean {
  return a.length === b.length && a.every((item, i) => sameMath(item, b[i] as MathValue, tolerance));
}

/** Sets with more elements than this are compared in order. */
const largestSet = 64;

function sameItems(a: readonly MathValue[], b: readonly MathValue[], tolerance: number): boolean {
  if (a.length > largestSet || b.length > largestSet) return sameSequence(a, b, tolerance);
  const within = (items: readonly MathValue[], others: readonly MathValue[]): boolean =>
    items.every((item) => others.some((other) => sameMath(item, other, tolerance)));
  return within(a, b) && within(b, a);
}

function sameExpression(a: MathExpression, b: MathExpression, tolerance: number): boolean {
  const scale = scaleBetween(a.unit, b.unit);
  if (scale === undefined) return false;
  // 50% is 0.5 and, where the other side has no percent sign, 50 as well.
  const factors = a.percent === b.percent ? [1] : [1, a.percent ? 100 : 0.01];
  return factors.some((factor) => equalEverywhere(a, b, scale * factor, tolerance));
}

/** Beyond this, doubles are no longer exact. */
const exactBelow = 2 ** 53;

function equalEverywhere(a: MathExpression, b: MathExpression, factor: number, tolerance: number): boolean {
  const isConstant = a.names.size === 0 && b.names.size === 0;
  let compared = 0;
  for (const trial of isConstant ? [0] : trials) {
    const variables = variablesOf(trial);
    const left = a.at(variables) * factor;
    const right = b.at(variables);
    const inexact = !(Math.abs(left) < exactBelow && Math.abs(right) < exactBelow);
    const exact = inexact && factor === 1 ? sameModulo(a, b, variables) : undefined;
    if (exact === false) return false;
    if (exact === undefined) {
      // Where only one side is defined they differ, but at negative values roots are a matter of taste.
      const undefinedSides = [left, right].filter(Number.isNaN).length;
      if (undefinedSides === 2 || (undefinedSides === 1 && trial >= firstNegative)) continue;
      if (!isClose(left, right, tolerance)) return false;
    }
    compared++;
  }
  return compared >= (isConstant ? 1 : 2);
}

function sameModulo(
  a: MathExpression,
  b: MathExpression,
  variables: (name: string) => number,
): boolean | undefined {
  const [left, right] = [a.modulo(variables), b.modulo(variables)];
  return left === undefined || right === undefined ? undefined : left === right;
}

/** A unit on one side alone is ignored; two units must be the same or convertible. */
function scaleBetween(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined || a === b) return 1;
  return unitScale(a, b);
}

function isClose(a: number, b: number, tolerance: number): boolean {
  if (a === b) return true;
  return Math.abs(a - b) <= tolerance * Math.min(1, Math.max(Math.abs(a), Math.abs(b)));
}

/** Each trial gives every variable a fixed value: positive and small in three, larger in three, negative in two. */
const trials = [0, 1, 2, 3, 4, 5, 6, 7];
const firstNegative = 6;

function variablesOf(trial: number): (name: string) => number {
  return (name) => {
    let hash = trial + 1;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    const fraction = ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
    if (trial >= firstNegative) return -0.3 - 4 * fraction;
    return trial < 3 ? 0.3 + 1.9 * fraction : 2.5 + 6 * fraction;
  };
}
