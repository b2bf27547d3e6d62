import {
  type Dataset,
  type FrameOf,
  type ImageSize,
  pixels,
  type RgbImage,
  type Rng,
  type Sample,
  VlmR1Error,
} from "@vlmr1/core";
import { drawPhraseForm, type ExpressionKind } from "./expressions.ts";
import { drawLayout, type LayoutRules, type PlacedObject, type Scene } from "./layout.ts";
import { type DrawingStyle, type Ground, paintScene } from "./paint.ts";
import { drawQuestion, type SceneQuestion, type SceneTargets, type SceneTask } from "./questions.ts";
import {
  createSpriteBank,
  defaultColors,
  defaultIcons,
  rememberSprite,
  type SceneColor,
  type SceneIcon,
} from "./sprites.ts";

export interface SceneOptions<Task extends SceneTask = "referring"> {
  /** Where the scenes come from. Sample i depends on this stream and i alone. */
  readonly rng: Rng;
  /** Samples in the dataset; they are drawn when asked for, so a million costs nothing. */
  readonly length: number;
  /** What to ask. Default `referring`. */
  readonly task?: Task;
  /**
   * Shares of the kinds of referring expressions. Default: those of the nano recipe, 38 / 21 / 9 / 32 without
   * two-hop.
   */
  readonly kinds?: Partial<Readonly<Record<ExpressionKind, number>>>;
  /** Pixels. Default 64x64. */
  readonly size?: ImageSize;
  /** Fewest and most objects. Default 3 to 4. */
  readonly objects?: readonly [low: number, high: number];
  /** Ranges of icon sizes as fractions of the picture's shorter side, each as likely. Default small and large. */
  readonly objectSizes?: readonly (readonly [low: number, high: number])[];
  readonly icons?: readonly SceneIcon[];
  readonly colors?: readonly SceneColor[];
  /**
   * Which colour x shape pairs occur: those for training, or also one held-out pair, the one asked for. Default
   * `seen`.
   */
  readonly pairs?: "seen" | "held-out" | "all";
  /** Default `smooth`. */
  readonly ground?: Ground;
  /** Default `filled`. */
  readonly style?: DrawingStyle;
  /**
   * How far the ground's colour has to be from every object's, as a distance in RGB. Default 70; 0 lets objects
   * vanish.
   */
  readonly contrast?: number;
  /**
   * Refuses questions with a word that could be left out; false keeps them, as the nano recipe does. Default true.
   */
  readonly everyWordNeeded?: boolean;
  /** Makes a prompt of a question. Default: the question itself. */
  readonly prompt?: (question: string) => string;
  /** The frame in which `answer` writes boxes. Targets always are in pixels. Default: pixels of the scene. */
  readonly answerFrame?: FrameOf;
  /** First part of the samples' ids. Default "scene". */
  readonly name?: string;
}

const recipeKinds = { attribute: 0.38, ordinal: 0.21, superlative: 0.09, relation: 0.32 };
const recipeSizes = [
  [13 / 64, 16 / 64],
  [21 / 64, 26 / 64],
] as const;

const defaultContrast = 70;

/** Attempts before a combination of options counts as impossible. */
const maxAttempts = 5000;

/**
 * Pictures of real icons with questions whose answers are computed, drawn on demand: sample i is always the same for
 * the same stream, in any order, on any machine with the same sharp. The truth of every expression is computed, and
 * boxes are exact to the pixel; {@link sceneSplits} changes one thing at a time to test generalisation.
 *
 * @throws VlmR1Error `invalid-argument` for impossible options; `get` throws it when no scene satisfies them.
 */
export function drawScenes<Task extends SceneTask = "referring">(
  options: SceneOptions<Task>,
): Dataset<SceneTargets[Task]> {
  checkOptions(options);
  const icons = options.icons ?? defaultIcons();
  const { size = { width: 64, height: 64 }, objectSizes = recipeSizes } = options;
  const shorter = Math.min(size.width, size.height);
  const sides = objectSizes.map((range) => spriteSides(range, shorter));
  let layout: Promise<LayoutRules> | undefined; // sprites are rasterised when the first sample is asked for
  const prepare = async (): Promise<LayoutRules> => ({
    ...size,
    icons,
    colors: options.colors ?? defaultColors,
    sprites: await createSpriteBank(icons, [...new Set(sides.flat())]),
    sides,
    count: options.objects ?? [3, 4],
    pairs: options.pairs ?? "seen",
  });
  return {
    length: options.length,
    get: async (index) => {
      checkIndex(index, options.length);
      return drawSample(await (layout ??= prepare()), options, index);
    },
  };
}

function drawSample<Task extends SceneTask>(
  layout: LayoutRules,
  options: SceneOptions<Task>,
  index: number,
): Sample<SceneTargets[Task]> {
  const rng = options.rng.fork(`scene ${index}`);
  const { task = "referring", kinds = recipeKinds, answerFrame = pixels } = options;
  const size: ImageSize = { width: layout.width, height: layout.height };
  const everyWordNeeded = options.everyWordNeeded ?? true;
  const kind = drawKind(kinds, rng);
  const rules = {
    kind,
    everyWordNeeded,
    phraseForm: everyWordNeeded ? drawPhraseForm(task === "referring" ? kind : "attribute", rng) : undefined,
    isYes: rng.uniform() < 0.5,
    firstIsTarget: layout.pairs === "held-out",
    names: layout.icons.map(({ name }) => name),
    colors: layout.colors.map(({ name }) => name),
    frame: answerFrame(size),
  };
  const { ground = "smooth", style = "filled", contrast = defaultContrast } = options;
  const paint = { ground, style, contrast };
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const objects = drawLayout(layout, rng);
    if (!objects) continue;
    const question = drawQuestion(task, sceneOf(size, objects), rules, rng);
    if (!question) continue;
    const image = paintScene(size, objects, paint, rng);
    if (!image) continue;
    return sampleOf(
      `${options.name ?? "scene"}/${index}`,
      image,
      question as SceneQuestion<Task>,
      options.prompt,
    );
  }
  const what = task === "referring" ? `a ${rules.kind} expression` : `a ${task} question`;
  throw new VlmR1Error(
    "invalid-argument",
    `No scene of ${size.width}x${size.height} pixels with ${layout.count.join(" to ")} objects supports ${what}, after ` +
      `${maxAttempts} attempts. Ask for other kinds, another number of objects, or objects of another size.`,
  );
}

function sampleOf<Task extends SceneTask>(
  id: string,
  image: RgbImage,
  { text, answer, target, group }: SceneQuestion<Task>,
  prompt: (question: string) => string = (question) => question,
): Sample<SceneTargets[Task]> {
  return { id, images: [image], prompt: prompt(text), target, group, answer };
}

function sceneOf(size: ImageSize, objects: readonly PlacedObject[]): Scene {
  return {
    ...size,
    objects: objects.map(({ name, color, box, sprite }) => rememberSprite({ name, color, box }, sprite)),
  };
}

/** At most this many raster sizes a range, so that the sprites of a large picture fit in memory. */
const maxSteps = 32;

/**
 * Sides in pixels of a range of sizes: as often in the list as a uniform draw from the range, rounded, would give
 * them.
 */
function spriteSides([low, high]: readonly [low: number, high: number], shorter: number): number[] {
  return Array.from({ length: maxSteps }, (_, i) =>
    Math.max(1, Math.round((low + ((i + 0.5) / maxSteps) * (high - low)) * shorter)),
  );
}

function drawKind(kinds: Partial<Readonly<Record<ExpressionKind, number>>>, rng: Rng): ExpressionKind {
  const entries = Object.entries(kinds) as [ExpressionKind, number][];
  let rest = rng.uniform() * entries.reduce((sum, [, share]) => sum + share, 0);
  const chosen =
    entries.find(([, share]) => (rest -= share) < 0) ?? entries.findLast(([, share]) => share > 0);
  return (chosen as [ExpressionKind, number])[0];
}

function checkOptions(options: SceneOptions<SceneTask>): void {
  const {
    length,
    size = { width: 64, height: 64 },
    objects = [3, 4],
    kinds = recipeKinds,
    objectSizes,
  } = options;
  if (!Number.isSafeInteger(length) || length < 0)
    refuse(`length must be a non-negative integer, got ${length}`);
  if (![size.width, size.height].every((side) => Number.isInteger(side) && side >= 8 && side <= 8192)) {
    refuse(`size must be integers of 8..8192 pixels, got ${size.width}x${size.height}`);
  }
  if (!objects.every((n) => Number.isInteger(n) && n >= 1) || objects[0] > objects[1]) {
    refuse(`objects must be [low, high] with integers 1 <= low <= high, got [${objects.join(", ")}]`);
  }
  const shares = Object.values(kinds);
  if (!shares.every((share) => share >= 0 && share < Infinity) || !shares.some((share) => share > 0)) {
    refuse(`kinds must be shares of at least 0 with one above 0, got ${JSON.stringify(kinds)}`);
  }
  for (const [low, high] of objectSizes ?? []) {
    if (!(low > 0 && low <= high && high <= 1)) {
      refuse(`objectSizes must be ranges with 0 < low <= high <= 1, got [${low}, ${high}]`);
    }
  }
  for (const [name, list] of Object.entries({ objectSizes, icons: options.icons, colors: options.colors })) {
    if (list?.length === 0) refuse(`${name} must not be empty`);
  }
}

function checkIndex(index: number, length: number): void {
  if (Number.isInteger(index) && index >= 0 && index < length) return;
  throw new VlmR1Error("invalid-argument", `Sample ${index} does not exist: indices are 0..${length - 1}.`);
}

function refuse(what: string): never {
  throw new VlmR1Error("invalid-argument", `Cannot draw scenes: ${what}.`);
}

/** What a split changes of the options that scenes are otherwise drawn with. */
export type SceneSplit = Pick<
  SceneOptions,
  "kinds" | "objects" | "objectSizes" | "pairs" | "ground" | "style"
>;

/**
 * Splits that test generalisation, each one change away from training: spread one into the options of `drawScenes`,
 * with its own stream, `drawScenes({ ...sceneSplits["two-hop"], rng: rng.fork("two-hop"), length: 1000 })`.
 *
 * - `new-scenes`: the distribution of training, other scenes.
 * - `held-out-pairs`: the question is about a colour x shape pair that training never shows.
 * - `other-style`: objects are hatched.
 * - `other-sizes`: objects smaller, between and larger than in training.
 * - `more-objects`: five or six.
 * - `two-hop`: the anchor of a relation is itself described by a relation.
 * - `striped-ground`: noise under stripes.
 */
export const sceneSplits = {
  "new-scenes": {},
  "held-out-pairs": { pairs: "held-out" },
  "other-style": { style: "hatched" },
  "other-sizes": {
    objectSizes: [
      [10.5 / 64, 10.5 / 64],
      [18 / 64, 18 / 64],
      [30 / 64, 30 / 64],
    ],
  },
  "more-objects": { objects: [5, 6] },
  "two-hop": { kinds: { "two-hop": 1 } },
  "striped-ground": { ground: "striped" },
} as const satisfies Readonly<Record<string, SceneSplit>>;

/**
 * What reproduces the distribution of the experiments behind the built-in `nano` model: words that could be left out
 * are kept, and an object may hardly differ from its ground. Everything else of it is the default.
 */
export const nanoRecipe = { everyWordNeeded: false, contrast: 0 } as const satisfies Partial<SceneOptions>;
