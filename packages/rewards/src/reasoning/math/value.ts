/** A number, or a number for every value of its variables. */
export interface MathExpression {
  readonly kind: "expression";
  /** The variables it depends on. */
  readonly names: ReadonlySet<string>;
  /** Its value; NaN where it is undefined. */
  readonly at: (variables: (name: string) => number) => number;
  /** The variable that it is, and nothing else. */
  readonly lone?: string;
  /** It was written with a percent sign. */
  readonly percent?: boolean;
  /** The words behind it. */
  readonly unit?: string;
}

export type RelationSign = "=" | "<" | ">" | "≤" | "≥" | "∈";

/** What a formula can denote. */
export type MathValue =
  | MathExpression
  | { readonly kind: "set"; readonly items: readonly MathValue[] }
  | {
      readonly kind: "tuple"; // or interval: the same notation
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

const none: ReadonlySet<string> = new Set();

/** An expression without variables. */
export function constant(value: number): MathExpression {
  return { kind: "expression", names: none, at: () => value };
}

/** An expression made of others. */
export function expression(
  parts: readonly MathExpression[],
  combine: (...values: number[]) => number,
): MathExpression {
  const names = new Set(parts.flatMap((part) => [...part.names]));
  return {
    kind: "expression",
    names,
    at: (variables) => combine(...parts.map((part) => part.at(variables))),
  };
}
