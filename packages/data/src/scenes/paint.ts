import type { ImageSize, RgbImage, Rng } from "@vlmr1/core";
import { paintGround, type Ground } from "./ground.ts";
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
    const pixels = paintGround(size, ground, rng);
    if (objects.some((object) => contrast > 0 && contrastOf(pixels, size.width, object) < contrast)) continue;
    for (const object of objects) paintObject(pixels, size, object, style);
    return { width: size.width, height: size.height, data: new Uint8Array(pixels.buffer) };
  }
  return undefined;
}

/** The distance of an object's colour from the mean colour of the ground in its box. */
function contrastOf(pixels: Uint8ClampedArray, width: number, { box, rgb }: PlacedObject): number {
  const sums = [0, 0, 0];
  for (let y = box[1]; y < box[3]; y++) {
    for (let i = (y * width + box[0]) * 3; i < (y * width + box[2]) * 3; i += 3) {
      for (let c = 0; c < 3; c++) sums[c] = (sums[c] as number) + (pixels[i + c] as number);
    }
  }
  const area = (box[2] - box[0]) * (box[3] - box[1]);
  return Math.hypot(...sums.map((sum, c) => sum / area - (rgb[c] as number)));
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
