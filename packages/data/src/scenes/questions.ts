import { type Box, convertBox, type Frame, type ImageSize, pixels, type Rng } from "@vlmr1/core";
import { roundHalfEven } from "../prompts.ts";
import {
  described,
  drawExpression,
  type Expression,
  type ExpressionKind,
  type NounPhrase,
  type PhraseForm,
  phraseForms,
  phraseOf,
  phraseWords,
  referent,
  wording,
} from "./expressions.ts";
import { centerX, centerY, type Scene, type SceneObject } from "./layout.ts";

/** What to ask: where one object is, how many there are, whether there is one, or where all of them are. */
export type SceneTask = "referring" | "counting" | "yes-no" | "detection";

/** The truth of each task, with everything that the scene shows beside it. */
export interface SceneTargets {
  readonly referring: { readonly box: Box; readonly expression: string; readonly scene: Scene };
  readonly counting: { readonly answer: number; readonly scene: Scene };
  readonly "yes-no": { readonly answer: "yes" | "no"; readonly scene: Scene };
  readonly detection: {
    /** The objects asked for, labelled in the words of the question. */
    readonly objects: readonly { readonly box: Box; readonly label: string }[];
    readonly scene: Scene;
  };
}

/** A question about one scene. */
export interface SceneQuestion<Task extends SceneTask = SceneTask> {
  readonly text: string;
  readonly answer: string;
  readonly target: SceneTargets[Task];
  readonly group: string;
}

/** How to draw a question. */
export interface QuestionRules {
  readonly kind: ExpressionKind;
  readonly everyWordNeeded: boolean;
  readonly firstIsTarget: boolean;
  /** Which words noun phrases use; undefined leaves it to chance. */
  readonly phraseForm: PhraseForm | undefined;
  /** What a yes-or-no question is to be answered with. */
  readonly isYes: boolean;
  /** The colour and shape words that may be asked for. */
  readonly names: readonly string[];
  readonly colors: readonly string[];
  /** The frame in which a good answer writes boxes. */
  readonly frame: Frame;
}

const tries = 40;

/** Draws a question of one task about a scene, or undefined when the scene supports none. */
export function drawQuestion(
  task: SceneTask,
  scene: Scene,
  rules: QuestionRules,
  rng: Rng,
): SceneQuestion | undefined {
  switch (task) {
    case "referring":
      return referringQuestion(scene, rules, rng);
    case "counting":
      return countingQuestion(scene, rules, rng);
    case "yes-no":
      return yesNoQuestion(scene, rules, rng);
    case "detection":
      return detectionQuestion(scene, rules, rng);
  }
}

function referringQuestion(
  scene: Scene,
  rules: QuestionRules,
  rng: Rng,
): SceneQuestion<"referring"> | undefined {
  const expression = drawExpression(scene, rules, rng);
  if (!expression) return undefined;
  const text = wording(expression);
  return {
    text,
    answer: referringAnswer(expression, scene, rules.frame),
    target: { box: (referent(expression, scene) as SceneObject).box, expression: text, scene },
    group: expression.kind,
  };
}

function countingQuestion(
  scene: Scene,
  rules: QuestionRules,
  rng: Rng,
): SceneQuestion<"counting"> | undefined {
  const phrase = drawPhrase(scene, rules, rng);
  if (rules.everyWordNeeded && !isCountSpecific(phrase, scene)) return undefined;
  const found = described(phrase, scene.objects);
  const text = `how many ${plural(phraseWords(phrase))} are there?`;
  return {
    text,
    answer: shortAnswer(found, found.length, scene),
    target: { answer: found.length, scene },
    group: "counting",
  };
}

/**
 * Half of the answers are "no". Whatever the answer, near misses are present: other stars, or other red things, than
 * a red star.
 */
function yesNoQuestion(scene: Scene, rules: QuestionRules, rng: Rng): SceneQuestion<"yes-no"> | undefined {
  for (let i = 0; i < tries; i++) {
    const phrase = drawPhrase(scene, { ...rules, everyWordNeeded: false }, rng);
    const found = described(phrase, scene.objects);
    if (found.length > 0 !== rules.isYes) continue;
    const nearMisses = scene.objects.filter((o) => (o.name === phrase.name) !== (o.color === phrase.color));
    if (rules.everyWordNeeded && phrase.name && phrase.color && nearMisses.length === 0) continue;
    const words = phraseWords(phrase);
    const answer = rules.isYes ? "yes" : "no";
    return {
      text: `is there ${/^[aeiou]/.test(words) ? "an" : "a"} ${words}?`,
      answer: shortAnswer(found, answer, scene),
      target: { answer, scene },
      group: "yes-no",
    };
  }
  return undefined;
}

/** Asks for one or two kinds of things; about one in five is not there, which has to be noticed too. */
function detectionQuestion(
  scene: Scene,
  rules: QuestionRules,
  rng: Rng,
): SceneQuestion<"detection"> | undefined {
  const phrases: NounPhrase[] = [];
  const wanted = 1 + rng.integer(2);
  for (let i = 0; i < tries && phrases.length < wanted; i++) {
    const phrase = drawPhrase(scene, rules, rng);
    if (rules.everyWordNeeded && !isCountSpecific(phrase, scene)) continue;
    const isNew = phrases.every((other) => !overlaps(phrase, other));
    const isPresent = described(phrase, scene.objects).length > 0;
    if (isNew && (isPresent || rng.uniform() < 0.2)) phrases.push(phrase);
  }
  if (phrases.length < wanted) return undefined;
  const labelled = phrases.flatMap((phrase) =>
    described(phrase, scene.objects).map((object) => ({ object, label: phraseWords(phrase) })),
  );
  return {
    text: `detect ${phrases.map((phrase) => `every ${phraseWords(phrase)}`).join(" and ")}`,
    answer: detectionAnswer(labelled, scene, rules.frame),
    target: { objects: labelled.map(({ object, label }) => ({ box: object.box, label })), scene },
    group: "detection",
  };
}

/**
 * Words are mostly those of the scene, not always of one object, so that "red key" may be absent where both are
 * present.
 */
function drawPhrase(scene: Scene, { names, colors, phraseForm }: QuestionRules, rng: Rng): NounPhrase {
  const object = pick(scene.objects, rng);
  const name = rng.uniform() < 0.15 ? pick(names, rng) : object.name;
  const color =
    rng.uniform() < 0.5 ? pick(scene.objects, rng).color : pick([object.color, pick(colors, rng)], rng);
  return phraseOf({ name, color }, phraseForm ?? pick(phraseForms, rng));
}

/** Whether leaving any word out would change how many objects fit. */
function isCountSpecific({ name, color }: NounPhrase, scene: Scene): boolean {
  const count = (phrase: NounPhrase): number => described(phrase, scene.objects).length;
  const truth = count({ ...(name && { name }), ...(color && { color }) });
  const shorter: NounPhrase[] = name && color ? [{ name }, { color }] : [{}];
  return shorter.every((phrase) => count(phrase) !== truth);
}

function pick<T>(items: readonly T[], rng: Rng): T {
  return items[rng.integer(items.length)] as T;
}

/** Whether one object could fit both phrases. */
function overlaps(a: NounPhrase, b: NounPhrase): boolean {
  const sameName = a.name === undefined || b.name === undefined || a.name === b.name;
  const sameColor = a.color === undefined || b.color === undefined || a.color === b.color;
  return sameName && sameColor;
}

/** English plurals of the words that icons are named with. */
function plural(words: string): string {
  if (/[^aeiou]y$/.test(words)) return `${words.slice(0, -1)}ies`;
  return /(?:s|x|ch|sh)$/.test(words) ? `${words}es` : `${words}s`;
}

/**
 * A good completion for a referring expression: a line of thought that names each step's object and its place, then
 * the box.
 */
export function referringAnswer(expression: Expression, scene: Scene, frame: Frame): string {
  const thought = steps(expression, scene)
    .map((object) => whereabouts(object, scene))
    .join(", ");
  const box = boxText((referent(expression, scene) as SceneObject).box, scene, frame);
  return `<think> ${thought} </think> <answer> {"bbox_2d": ${box}} </answer>`;
}

/** A good completion for a question with a short answer: what was found, then the answer. */
export function shortAnswer(objects: readonly SceneObject[], answer: string | number, scene: Scene): string {
  const thought = objects.map((object) => whereabouts(object, scene)).join(", ") || "none";
  return `<think> ${thought} </think> <answer> ${answer} </answer>`;
}

/** A good completion for a detection prompt, in the form that VLM-R1 publishes: fenced JSON, or None. */
export function detectionAnswer(
  objects: readonly { readonly object: SceneObject; readonly label: string }[],
  scene: Scene,
  frame: Frame,
): string {
  const thought = objects.map(({ object }) => whereabouts(object, scene)).join(", ") || "none";
  const items = objects.map(
    ({ object, label }) =>
      `{"bbox_2d": ${boxText(object.box, scene, frame)}, "label": ${JSON.stringify(label)}}`,
  );
  const list = items.length === 0 ? "None" : `\`\`\`json\n[${items.join(", ")}]\n\`\`\``;
  return `<think> ${thought} </think> <answer> ${list} </answer>`;
}

/** "red key lower center": colour, name, and which ninth of the picture it is in. */
function whereabouts(object: SceneObject, scene: Scene): string {
  const row = ["upper", "middle", "lower"][Math.min(2, Math.floor((centerY(object) / scene.height) * 3))];
  const column = ["left", "center", "right"][Math.min(2, Math.floor((centerX(object) / scene.width) * 3))];
  return `${object.color} ${object.name} ${row} ${column}`;
}

/** The objects that an expression leads through, from the innermost anchor to the target. */
function steps(expression: Expression, scene: Scene): SceneObject[] {
  const earlier = "anchor" in expression ? steps(expression.anchor, scene) : [];
  return [...earlier, referent(expression, scene) as SceneObject];
}

/** A box as answers write it, "[x1, y1, x2, y2]" in the given frame: unit coordinates with three decimals, all others as integers. */
export function boxText(box: Box, scene: ImageSize, frame: Frame): string {
  const converted = convertBox(box, pixels(scene), frame);
  const numbers = converted.map((value) => (frame.kind === "unit" ? value.toFixed(3) : roundHalfEven(value)));
  return `[${numbers.join(", ")}]`;
}
