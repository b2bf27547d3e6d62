import { boxArea } from "@vlmr1/core";
import { centerX, centerY, margin, type Scene, type SceneObject } from "./scene.ts";

/** "red key", "key", "red thing" or "thing": what an object has to be. */
export interface NounPhrase {
  readonly name?: string;
  readonly color?: string;
}

export type Side = "left" | "right" | "top" | "bottom";
export type Relation = "left of" | "right of" | "above" | "below";

/**
 * A referring expression as a program: what it picks is computed ({@link referent}), what it says is derived
 * ({@link wording}).
 *
 * In the manner of CLEVR's functional programs (Johnson et al. 2017, https://arxiv.org/abs/1612.06890).
 */
export type Expression =
  | { readonly kind: "attribute"; readonly head: NounPhrase }
  | { readonly kind: "ordinal"; readonly head: NounPhrase; readonly rank: 1 | 2; readonly from: Side }
  | { readonly kind: "superlative"; readonly head: NounPhrase; readonly extreme: "largest" | "smallest" }
  | {
      /** The anchor is an attribute expression, or in a two-hop expression another relation. */
      readonly kind: "relation" | "two-hop";
      readonly head: NounPhrase;
      readonly relation: Relation;
      readonly anchor: Expression;
    };

export type ExpressionKind = Expression["kind"];

/** Areas must differ by this factor before one object is "the largest" or "the smallest". */
const areaRatio = 1.4;

/** Distance from the side that an ordinal counts from, up to a constant. */
const distances: Readonly<Record<Side, (object: SceneObject) => number>> = {
  left: centerX,
  right: (object) => -centerX(object),
  top: centerY,
  bottom: (object) => -centerY(object),
};

/**
 * Relations hold along the axis on which the two middles differ most, and only when they differ by the scene's
 * margin.
 */
const directions: Readonly<
  Record<Relation, (dx: number, dy: number) => readonly [along: number, across: number]>
> = {
  "left of": (dx, dy) => [-dx, dy],
  "right of": (dx, dy) => [dx, dy],
  above: (dx, dy) => [-dy, dx],
  below: (dx, dy) => [dy, dx],
};

export const sides = Object.keys(distances) as readonly Side[];
export const relations = Object.keys(directions) as readonly Relation[];

/** The objects that a noun phrase describes. */
export function described(phrase: NounPhrase, objects: readonly SceneObject[]): SceneObject[] {
  return objects.filter(
    ({ name, color }) => (phrase.name ?? name) === name && (phrase.color ?? color) === color,
  );
}

/** Whether `object` lies in the given relation to `anchor`, clearly enough that nobody would disagree. */
export function isRelated(
  object: SceneObject,
  relation: Relation,
  anchor: SceneObject,
  scene: Scene,
): boolean {
  const [along, across] = directions[relation](
    centerX(object) - centerX(anchor),
    centerY(object) - centerY(anchor),
  );
  return along > Math.max(margin(scene), Math.abs(across));
}

/**
 * The one object that an expression picks out, or undefined when it picks none or several, or when the order, size
 * or place that it speaks of is too close to call.
 */
export function referent(expression: Expression, scene: Scene): SceneObject | undefined {
  const candidates = described(expression.head, scene.objects);
  switch (expression.kind) {
    case "attribute":
      return only(candidates);
    case "ordinal":
      return nth(candidates, expression.rank, distances[expression.from], margin(scene));
    case "superlative":
      return extremeOf(candidates, expression.extreme);
    default: {
      const anchor = referent(expression.anchor, scene);
      if (!anchor) return undefined;
      return only(candidates.filter((o) => o !== anchor && isRelated(o, expression.relation, anchor, scene)));
    }
  }
}

/** The expression in English: "the second red key from the left". */
export function wording(expression: Expression): string {
  const head = phraseWords(expression.head);
  switch (expression.kind) {
    case "attribute":
      return `the ${head}`;
    case "ordinal":
      return expression.rank === 1
        ? `the ${expression.from}most ${head}`
        : `the second ${head} from the ${expression.from}`;
    case "superlative":
      return `the ${expression.extreme} ${head}`;
    default:
      return `the ${head} ${expression.relation} ${wording(expression.anchor)}`;
  }
}

/** "red key", "key", "red thing" or "thing". */
export function phraseWords({ name, color }: NounPhrase): string {
  return `${color === undefined ? "" : `${color} `}${name ?? "thing"}`;
}

/**
 * Whether each word is needed: leaving any one out of the phrases, or the whole of a clause, no longer picks the
 * same object.
 *
 * CLEVR's test for degenerate questions, extended from relations to every attribute.
 */
export function isEveryWordNeeded(expression: Expression, scene: Scene): boolean {
  const target = referent(expression, scene);
  return shortened(expression).every((shorter) => referent(shorter, scene) !== target);
}

/** All expressions with one word or clause less. */
function shortened(expression: Expression): Expression[] {
  const shorter: Expression[] = [];
  const { name, color } = expression.head;
  if (name !== undefined) shorter.push({ ...expression, head: color === undefined ? {} : { color } });
  if (color !== undefined) shorter.push({ ...expression, head: name === undefined ? {} : { name } });
  if (expression.kind !== "attribute") shorter.push({ kind: "attribute", head: expression.head });
  if ("anchor" in expression) {
    for (const anchor of shortened(expression.anchor)) shorter.push({ ...expression, anchor });
  }
  return shorter;
}

function only(objects: readonly SceneObject[]): SceneObject | undefined {
  return objects.length === 1 ? objects[0] : undefined;
}

function nth(
  objects: readonly SceneObject[],
  rank: 1 | 2,
  distance: (object: SceneObject) => number,
  gap: number,
): SceneObject | undefined {
  // "The second of two" is said with another word.
  if (objects.length <= rank) return undefined;
  const ordered = objects.toSorted((a, b) => distance(a) - distance(b));
  const clear = ordered.every(
    (o, i) => i === 0 || distance(o) - distance(ordered[i - 1] as SceneObject) >= gap,
  );
  return clear ? ordered[rank - 1] : undefined;
}

function extremeOf(
  objects: readonly SceneObject[],
  extreme: "largest" | "smallest",
): SceneObject | undefined {
  if (objects.length < 2) return undefined;
  const sign = extreme === "largest" ? 1 : -1;
  const [first, second] = objects.toSorted((a, b) => sign * (boxArea(b.box) - boxArea(a.box)));
  const ratio = boxArea((first as SceneObject).box) / boxArea((second as SceneObject).box);
  return ratio ** sign > areaRatio ? first : undefined;
}
