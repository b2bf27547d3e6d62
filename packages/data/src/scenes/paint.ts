import type { ImageSize, RgbImage, Rng } from "@vlmr1/core";
import { groundColor, paintGround, planGround, type Ground, type GroundPlan } from "./ground.ts";
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
