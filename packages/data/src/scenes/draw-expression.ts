import type { Rng } from "@vlmr1/core";
import {
  described,
  isEveryWordNeeded,
  isRelated,
  referent,
  relations,
  sides,
  type Expression,
  type ExpressionKind,
  type NounPhrase,
} from "./expression.ts";
import type { Scene, SceneObject } from "./scene.ts";

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
