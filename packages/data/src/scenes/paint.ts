import type { ImageSize, RgbImage, Rng } from "@vlmr1/core";
import { paintGround, type Ground } from "./ground.ts";
import type { PlacedObject } from "./layout.ts";

/** How objects are drawn: filled, or hatched with darker diagonal lines, a style that training does not show. */
export type DrawingStyle = "filled" | "hatched";

/** Light that the hatching leaves. */
const hatchLight = 0.55;

/** Paints a scene. */
export function paintScene(
  size: ImageSize,
  objects: readonly PlacedObject[],
  { ground, style, rng }: { readonly ground: Ground; readonly style: DrawingStyle; readonly rng: Rng },
): RgbImage {
  const pixels = paintGround(size, ground, rng);
  for (const object of objects) paintObject(pixels, size, object, style);
  return { width: size.width, height: size.height, data: new Uint8Array(pixels.buffer) };
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
