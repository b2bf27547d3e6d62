import type { ImageSize, RgbImage, Rng } from "@vlmr1/core";
import type { PlacedObject } from "./layout.ts";

/** How objects are drawn: filled, or hatched with darker diagonal lines, a style that training does not show. */
export type DrawingStyle = "filled" | "hatched";

/** Light that the hatching leaves. */
const hatchLight = 0.55;

/** How to paint a scene. */
export interface PaintRules {
  readonly ground: Ground;
  readonly style: DrawingStyle;
  /** How far, on average over its box, the ground's colour has to be from an object's: a distance in RGB, 0..441. */
  readonly contrast: number;
}

/** Grounds tried before a scene is given up. */
const groundTries = 30;

/** Paints a scene, or returns undefined when no ground was found on which every object shows. */
export function paintScene(
  size: ImageSize,
  objects: readonly PlacedObject[],
  { ground, style, contrast }: PaintRules,
  rng: Rng,
): RgbImage | undefined {
  for (let i = 0; i < groundTries; i++) {
    const plan = planGround(size, ground, rng);
    if (contrast > 0 && objects.some((object) => contrastOf(plan, size, object) < contrast)) continue;
    const pixels = paintGround(size, plan, rng);
    for (const object of objects) paintObject(pixels, size, object, style);
    return { width: size.width, height: size.height, data: new Uint8Array(pixels.buffer) };
  }
  return undefined;
}

const thirds = [1 / 6, 3 / 6, 5 / 6];

/** The distance of an object's colour from the mean of the ground at nine points of its box. */
function contrastOf(plan: GroundPlan, size: ImageSize, { box, rgb }: PlacedObject): number {
  const [x1, y1, x2, y2] = box;
  const mean = [0, 0, 0];
  for (const u of thirds) {
    for (const v of thirds) {
      const color = groundColor(plan, size, [x1 + u * (x2 - x1), y1 + v * (y2 - y1)]);
      for (let c = 0; c < 3; c++) mean[c] = (mean[c] as number) + (color[c] as number) / 9;
    }
  }
  return Math.hypot(...mean.map((value, c) => value - (rgb[c] as number)));
}

function paintObject(
  pixels: Uint8ClampedArray,
  { width, height }: ImageSize,
  { box, sprite, rgb }: PlacedObject,
  style: DrawingStyle,
): void {
  const { side, alpha } = sprite;
  const left = box[0] - sprite.left;
  const top = box[1] - sprite.top;
  const period = Math.max(4, Math.round(side / 5));
  for (let j = Math.max(0, -top); j < Math.min(side, height - top); j++) {
    for (let i = Math.max(0, -left); i < Math.min(side, width - left); i++) {
      const opacity = alpha[j * side + i] as number;
      if (opacity === 0) continue;
      const light = style === "hatched" && (i + j) % period < period / 2 ? hatchLight : 1;
      const at = ((top + j) * width + left + i) * 3;
      for (let c = 0; c < 3; c++) {
        const under = pixels[at + c] as number;
        pixels[at + c] = ((rgb[c] as number) * light * opacity + under * (255 - opacity)) / 255;
      }
    }
  }
}

/**
 * What objects lie on.
 *
 * - `plain`: one colour.
 * - `gradient`: two colours along a random direction.
 * - `smooth`: a gradient under soft clouds.
 * - `noisy`: the same under noise of single pixels.
 * - `striped`: noisy under stripes, a ground that training does not show.
 */
export type Ground = "plain" | "gradient" | "smooth" | "noisy" | "striped";

/** Knots of the cloud pattern along x and y. */
const knotColumns = 9;
const knotRows = 7;
const cloudContrast = 110;
const noiseContrast = 28;

/** A ground before it is painted. */
export interface GroundPlan {
  readonly kind: Ground;
  readonly from: readonly [red: number, green: number, blue: number];
  readonly to: readonly [red: number, green: number, blue: number];
  /** How much of the second colour a pixel further along x and y has. */
  readonly slope: readonly [x: number, y: number];
  /** Light at the knots of a grid, added to every channel. [knotRows, knotColumns] */
  readonly clouds: Float64Array | undefined;
}

/** Draws what a ground will look like. */
export function planGround({ width, height }: ImageSize, kind: Ground, rng: Rng): GroundPlan {
  const from = randomColor(rng);
  const to = kind === "plain" ? from : randomColor(rng);
  const direction = rng.uniform() * Math.PI * 2;
  const slope = [Math.cos(direction) / width, Math.sin(direction) / height] as const;
  const clouds = kind === "plain" || kind === "gradient" ? undefined : randomClouds(rng);
  return { kind, from, to, slope, clouds };
}

/** The colour of a ground at a pixel, without grain and stripes, which change no mean. */
export function groundColor(
  { from, to, slope, clouds }: GroundPlan,
  { width, height }: ImageSize,
  [x, y]: readonly [x: number, y: number],
): readonly [red: number, green: number, blue: number] {
  const mix = mixAt(x - width / 2, y - height / 2, slope);
  let light = 0;
  if (clouds) {
    const u = (x / width) * (knotColumns - 1);
    const column = Math.min(knotColumns - 2, Math.trunc(u));
    const left = knotAt(clouds, column, y / height);
    light = left + (knotAt(clouds, column + 1, y / height) - left) * (u - column);
  }
  const channel = (c: 0 | 1 | 2): number =>
    Math.min(255, Math.max(0, from[c] + (to[c] - from[c]) * mix + light));
  return [channel(0), channel(1), channel(2)];
}

/** Paints a ground. [height, width, 3] */
export function paintGround({ width, height }: ImageSize, plan: GroundPlan, rng: Rng): Uint8ClampedArray {
  const { kind, from, to, slope, clouds } = plan;
  const pixels = new Uint8ClampedArray(width * height * 3);
  const grain = kind === "noisy" || kind === "striped" ? noiseContrast : 0;
  const light = new Float64Array(width); // of one row
  for (let y = 0, i = 0; y < height; y++) {
    if (clouds) cloudRow(clouds, y / height, light);
    for (let x = 0; x < width; x++, i += 3) {
      const mix = mixAt(x - width / 2, y - height / 2, slope);
      const more = (light[x] as number) + (grain > 0 ? (rng.uniform() - 0.5) * grain : 0);
      pixels[i] = from[0] + (to[0] - from[0]) * mix + more;
      pixels[i + 1] = from[1] + (to[1] - from[1]) * mix + more;
      pixels[i + 2] = from[2] + (to[2] - from[2]) * mix + more;
    }
  }
  if (kind === "striped") paintStripes(pixels, width, rng);
  return pixels;
}

/** The share of the second colour, 0..1, at a distance from the picture's middle. */
function mixAt(x: number, y: number, slope: readonly [x: number, y: number]): number {
  return Math.min(1, Math.max(0, 0.5 + x * slope[0] + y * slope[1]));
}

function randomColor(rng: Rng): readonly [red: number, green: number, blue: number] {
  return [30 + rng.integer(200), 30 + rng.integer(200), 30 + rng.integer(200)];
}

/** Values of -0.5..0.5 at the knots of a grid. [knotRows, knotColumns] */
function randomClouds(rng: Rng): Float64Array {
  return Float64Array.from({ length: knotColumns * knotRows }, () => rng.uniform() - 0.5);
}

/** The clouds' light along the row at height `v`, 0..1: bilinear value noise. */
function cloudRow(clouds: Float64Array, v: number, light: Float64Array): void {
  const knots = Array.from({ length: knotColumns }, (_, column) => knotAt(clouds, column, v));
  for (let x = 0; x < light.length; x++) {
    const u = (x / light.length) * (knotColumns - 1);
    const column = Math.min(knotColumns - 2, Math.trunc(u));
    const left = knots[column] as number;
    light[x] = left + ((knots[column + 1] as number) - left) * (u - column);
  }
}

/** The light of a column of knots at height `v`. */
function knotAt(clouds: Float64Array, column: number, v: number): number {
  const y = v * (knotRows - 1);
  const row = Math.min(knotRows - 2, Math.trunc(y));
  const upper = clouds[row * knotColumns + column] as number;
  const lower = clouds[(row + 1) * knotColumns + column] as number;
  return cloudContrast * (upper + (lower - upper) * (y - row));
}

function paintStripes(pixels: Uint8ClampedArray, width: number, rng: Rng): void {
  const scale = width / 64;
  const thickness = Math.max(1, Math.round((3 + rng.integer(5)) * scale));
  const horizontal = rng.uniform() < 0.5;
  const contrast = 35 + rng.integer(30);
  for (let i = 0; i < pixels.length; i++) {
    const pixel = Math.trunc(i / 3);
    const position = horizontal ? Math.trunc(pixel / width) : pixel % width;
    const light = Math.trunc(position / thickness) % 2 === 1 ? contrast : -contrast;
    pixels[i] = (pixels[i] as number) + light;
  }
}
