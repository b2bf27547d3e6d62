import sharp from "sharp";
import type { SceneIcon } from "./icons.ts";

/** An icon rasterised at one size: how opaque each pixel is, and the box of those that are visible. */
export interface Sprite {
  /** Side of the square raster. */
  readonly side: number;
  /** [side, side], 0..255. */
  readonly alpha: Uint8Array;
  /** The smallest box that holds every visible pixel: offset in the raster, width and height. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels more opaque than this belong to the object: what its exact box encloses. */
export const visibleAlpha = 16;

/** Sprites by icon and by size in pixels. */
export type SpriteBank = ReadonlyMap<SceneIcon, ReadonlyMap<number, Sprite>>;

/** What was rasterised before: several datasets of the same icons need the same sprites. Forgotten with the icons. */
const rasters = new WeakMap<SceneIcon, Map<number, Promise<Sprite>>>();

/** Rasterises every icon at every size. */
export async function createSpriteBank(
  icons: readonly SceneIcon[],
  sides: readonly number[],
): Promise<SpriteBank> {
  const rows = icons.map(async (icon) => {
    const sprites = sides.map(async (side) => [side, await spriteOf(icon, side)] as const);
    return [icon, new Map(await Promise.all(sprites))] as const;
  });
  return new Map(await Promise.all(rows));
}

function spriteOf(icon: SceneIcon, side: number): Promise<Sprite> {
  const known = rasters.get(icon) ?? new Map<number, Promise<Sprite>>();
  rasters.set(icon, known);
  const sprite = known.get(side) ?? rasterise(icon, side);
  known.set(side, sprite);
  return sprite;
}

async function rasterise(icon: SceneIcon, side: number): Promise<Sprite> {
  const { data } = await sharp(Buffer.from(icon.svg), { density: 72 })
    .resize(side, side)
    .ensureAlpha()
    .extractChannel("alpha")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const alpha = new Uint8Array(data);
  let [left, top, right, bottom] = [side, side, 0, 0];
  for (let i = 0; i < alpha.length; i++) {
    if ((alpha[i] as number) <= visibleAlpha) continue;
    const x = i % side;
    const y = Math.floor(i / side);
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y + 1);
  }
  return { side, alpha, left, top, width: right - left, height: bottom - top };
}
