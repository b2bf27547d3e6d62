import { boxArea, type Rng } from "@vlmr1/core";
import { centerX, centerY, margin, type Scene, type SceneObject } from "./layout.ts";

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

/**
 * Proposals made for one scene. A relation is proposed only where it holds, which is true of one in four, so that fewer
 * are needed for the same share of scenes.
 */
const tries = { attribute: 60, ordinal: 60, superlative: 60, relation: 15, "two-hop": 15 } as const;

/** How to draw an expression. */
export interface ExpressionRules {
  readonly kind: ExpressionKind;
  /** Whether to refuse expressions with a word that could be left out. */
  readonly everyWordNeeded: boolean;
  /** Whether the first object has to be the one referred to. */
  readonly firstIsTarget: boolean;
  /** Which words the target's own noun phrase has to use; without it, any that pick the target. */
  readonly phraseForm?: PhraseForm | undefined;
}

/** The words of a noun phrase: "key", "red thing", "red key" or "thing". */
export type PhraseForm = "name" | "color" | "both" | "thing";

/** The forms that can pick an object without further words. */
export const phraseForms: readonly PhraseForm[] = ["name", "color", "both"];
const anyForm: readonly PhraseForm[] = [...phraseForms, "thing"];

/**
 * The form of the target's own noun phrase, when every word is needed. It is chosen before the scene: scenes in which
 * more words are needed are rarer, and "thing" would be said nearly always.
 */
export function drawPhraseForm(kind: ExpressionKind, rng: Rng): PhraseForm | undefined {
  if (kind === "two-hop") return undefined; // rare enough without
  return pick(kind === "attribute" ? phraseForms : (["name", "color", "thing"] as const), rng);
}

/** Draws an expression of a kind that picks exactly one object of the scene, or undefined when none was found. */
export function drawExpression(scene: Scene, rules: ExpressionRules, rng: Rng): Expression | undefined {
  for (let i = 0; i < tries[rules.kind]; i++) {
    const target = rules.firstIsTarget ? (scene.objects[0] as SceneObject) : pick(scene.objects, rng);
    const expression = propose(scene, target, rules, rng);
    if (!expression || referent(expression, scene) !== target) continue;
    if (!rules.everyWordNeeded || isEveryWordNeeded(expression, scene)) return expression;
  }
  return undefined;
}

function propose(
  scene: Scene,
  target: SceneObject,
  { kind, phraseForm }: ExpressionRules,
  rng: Rng,
): Expression | undefined {
  if (kind === "attribute" && phraseForm) return { kind, head: phraseOf(target, phraseForm) };
  if (kind === "attribute") return uniquePhrase(scene, target, rng);
  const head = phraseForm ? phraseOf(target, phraseForm) : anyPhrase(target, rng);
  switch (kind) {
    case "ordinal":
      return { kind, head, rank: rng.integer(2) === 0 ? 1 : 2, from: pick(sides, rng) };
    case "superlative":
      return { kind, head, extreme: rng.integer(2) === 0 ? "largest" : "smallest" };
    default:
      return proposeRelation(scene, target, head, kind, rng);
  }
}

/** A relation to an object that is itself described by attributes, or in a two-hop expression by a relation. */
function proposeRelation(
  scene: Scene,
  target: SceneObject,
  head: NounPhrase,
  kind: "relation" | "two-hop",
  rng: Rng,
): Expression | undefined {
  const anchor = pick(scene.objects, rng);
  // With no second candidate beside the anchor, any relation would do.
  if (described(head, scene.objects).filter((o) => o !== anchor).length < 2) return undefined;
  const relation = relations.find((name) => isRelated(target, name, anchor, scene));
  if (!relation) return undefined;
  const anchorExpression =
    kind === "relation"
      ? uniquePhrase(scene, anchor, rng)
      : proposeRelation(scene, anchor, anyPhrase(anchor, rng), "relation", rng);
  if (!anchorExpression || referent(anchorExpression, scene) !== anchor) return undefined;
  // A chain that returns to its own target says little: "the key left of the bell right of the key".
  if (anchorOf(anchorExpression, scene) === target) return undefined;
  return { kind, head, relation, anchor: anchorExpression };
}

function anchorOf(expression: Expression, scene: Scene): SceneObject | undefined {
  return "anchor" in expression ? referent(expression.anchor, scene) : undefined;
}

/** By name, by colour, or by both: whichever of these picks the object alone. */
function uniquePhrase(scene: Scene, object: SceneObject, rng: Rng): Expression | undefined {
  const unique = phraseForms
    .map((form) => phraseOf(object, form))
    .filter((phrase) => described(phrase, scene.objects).length === 1);
  return unique.length === 0 ? undefined : { kind: "attribute", head: pick(unique, rng) };
}

/** A noun phrase that describes an object, "thing" included. */
function anyPhrase(object: SceneObject, rng: Rng): NounPhrase {
  return phraseOf(object, pick(anyForm, rng));
}

/** The noun phrase of a form for words that go with an object. */
export function phraseOf({ name, color }: Pick<SceneObject, "name" | "color">, form: PhraseForm): NounPhrase {
  switch (form) {
    case "name":
      return { name };
    case "color":
      return { color };
    case "both":
      return { name, color };
    case "thing":
      return {};
  }
}

function pick<T>(items: readonly T[], rng: Rng): T {
  return items[rng.integer(items.length)] as T;
}
