import type { Box, ImageSize, Rng } from "@vlmr1/core";
import type { SceneColor, SceneIcon, Sprite, SpriteBank } from "./sprites.ts";

/** One object of a drawn scene, with everything that is true of it. */
export interface SceneObject {
  /** The noun: "key". */
  readonly name: string;
  /** The colour word: "red". */
  readonly color: string;
  /** The exact box of its visible pixels, in pixels of the scene. */
  readonly box: Box;
}

/** What a drawn picture shows. Objects do not overlap or touch. */
export interface Scene extends ImageSize {
  readonly objects: readonly SceneObject[];
}

/** The middle along x, in pixels. */
export function centerX({ box }: SceneObject): number {
  return (box[0] + box[2]) / 2;
}

/** The middle along y, in pixels. */
export function centerY({ box }: SceneObject): number {
  return (box[1] + box[3]) / 2;
}

/**
 * How far two middles must be apart before words like "left of" or "second from the top" apply: 8 % of the shorter
 * side.
 */
export function margin(scene: ImageSize): number {
  return 0.08 * Math.min(scene.width, scene.height);
}

/** An object with what is needed to paint it. */
export interface PlacedObject extends SceneObject {
  readonly sprite: Sprite;
  readonly rgb: readonly [red: number, green: number, blue: number];
}

/** What layouts are drawn from. */
export interface LayoutRules extends ImageSize {
  readonly icons: readonly SceneIcon[];
  readonly colors: readonly SceneColor[];
  readonly sprites: SpriteBank;
  /** For each class of size, the sides of its sprites in pixels, most likely ones repeated. */
  readonly sides: readonly (readonly number[])[];
  /** Fewest and most objects. */
  readonly count: readonly [low: number, high: number];
  /** Which colour x shape pairs occur: `held-out` is one of them in first place among seen ones. */
  readonly pairs: "seen" | "held-out" | "all";
}

/** Every colour differs from the named one by up to this much in each channel. */
const colorJitter = 30;
const placementTries = 40;
const pairTries = 50;

/**
 * Whether a colour x shape pair is kept out of training: with the default set one colour of each shape, twelve of 72
 * pairs, spread evenly over both.
 */
export function isHeldOut(iconIndex: number, colorIndex: number, colorCount: number): boolean {
  return colorIndex === (iconIndex * 5 + 1) % colorCount;
}

/**
 * Draws objects that neither overlap nor touch, or undefined when this attempt found no room.
 *
 * Half of the objects repeat the shape (65 %) or the colour of an earlier one: those are the distractors that make
 * words matter.
 */
export function drawLayout(rules: LayoutRules, rng: Rng): PlacedObject[] | undefined {
  const [low, high] = rules.count;
  const count = low + rng.integer(high - low + 1);
  const pairs: Pair[] = [];
  const objects: PlacedObject[] = [];
  for (let i = 0; i < count; i++) {
    const pair = drawPair(rules, pairs, rng);
    if (!pair) return undefined;
    const object = place(rules, pair, objects, rng);
    if (!object) return undefined;
    pairs.push(pair);
    objects.push(object);
  }
  return objects;
}

interface Pair {
  readonly icon: number;
  readonly color: number;
}

function drawPair(
  { icons, colors, pairs }: LayoutRules,
  earlier: readonly Pair[],
  rng: Rng,
): Pair | undefined {
  const repeats = earlier.length > 0 && rng.uniform() < 0.5;
  for (let i = 0; i < pairTries; i++) {
    let icon = rng.integer(icons.length);
    let color = rng.integer(colors.length);
    if (repeats) {
      const model = earlier[rng.integer(earlier.length)] as Pair;
      if (rng.uniform() < 0.65) icon = model.icon;
      else color = model.color;
    }
    const wantHeldOut = pairs === "held-out" && earlier.length === 0;
    if (pairs === "all" || isHeldOut(icon, color, colors.length) === wantHeldOut) return { icon, color };
  }
  return undefined;
}

function place(
  rules: LayoutRules,
  pair: Pair,
  others: readonly PlacedObject[],
  rng: Rng,
): PlacedObject | undefined {
  const icon = rules.icons[pair.icon] as SceneIcon;
  const color = rules.colors[pair.color] as SceneColor;
  const sides = rules.sides[rng.integer(rules.sides.length)] as readonly number[];
  const sprite = rules.sprites.get(icon)?.get(sides[rng.integer(sides.length)] as number) as Sprite;
  if (sprite.width > rules.width || sprite.height > rules.height) return undefined;
  for (let i = 0; i < placementTries; i++) {
    const x = rng.integer(rules.width - sprite.width + 1);
    const y = rng.integer(rules.height - sprite.height + 1);
    const box: Box = [x, y, x + sprite.width, y + sprite.height];
    if (others.some((other) => isTouching(box, other.box))) continue;
    const [red, green, blue] = color.rgb.map((value) => value + (rng.uniform() - 0.5) * colorJitter);
    return {
      name: icon.name,
      color: color.name,
      box,
      sprite,
      rgb: [red as number, green as number, blue as number],
    };
  }
  return undefined;
}

function isTouching(a: Box, b: Box): boolean {
  return a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];
}
