import type { RgbImage } from "@vlmr1/core";
import type { ProcessedImage } from "../family.ts";
import type { PixelLevels } from "./pixel-values.ts";

/**
 * Copies the square of `image` whose top left pixel is `corner` to tile `index` of `pixels` `[tiles, 3, tile, tile]`.
 */
export function writeTile(
  pixels: Float32Array,
  index: number,
  image: RgbImage,
  corner: { readonly x: number; readonly y: number },
  tile: number,
  levels: PixelLevels,
): void {
  for (let channel = 0; channel < 3; channel++) {
    const level = levels[channel]!;
    let target = (index * 3 + channel) * tile * tile;
    for (let y = corner.y; y < corner.y + tile; y++) {
      let byte = (y * image.width + corner.x) * 3 + channel;
      for (let x = 0; x < tile; x++, byte += 3) pixels[target++] = level[image.data[byte]!]!;
    }
  }
}

/** Where the patches of a tile lie: rows and columns in patches, in the order in which the tower takes them. */
export interface TilePatches {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

/** Cuts the tiles of all images into patch rows, `[tiles, N, 3 * patch * patch]`: channel, y, x inside a row. */
export function tilePatchRows(
  images: readonly ProcessedImage[],
  tile: number,
  patch: number,
  places: TilePatches,
): Float32Array {
  const count = places.rows.length;
  const width = 3 * patch * patch;
  const tiles = images.reduce((sum, image) => sum + image.shape[0]!, 0);
  const pixels = new Float32Array(tiles * count * width);
  let index = 0;
  for (const image of images) {
    for (let own = 0; own < image.shape[0]!; own++, index++) {
      for (let at = 0; at < count; at++) {
        const first = own * 3 * tile * tile + places.rows[at]! * patch * tile + places.columns[at]! * patch;
        copyPatch(image.pixels, first, pixels, (index * count + at) * width, tile, patch);
      }
    }
  }
  return pixels;
}

/** One patch of a channels-first tile; by index, since a million short copies would take a second. */
function copyPatch(
  source: Float32Array,
  first: number,
  target: Float32Array,
  start: number,
  tile: number,
  patch: number,
): void {
  let at = start;
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < patch; y++) {
      const row = first + (channel * tile + y) * tile;
      for (let x = 0; x < patch; x++) target[at++] = source[row + x]!;
    }
  }
}

/** First feature row of each image, and of what would follow them, when every tile has `tokens` features. */
export function tileStarts(
  images: readonly ProcessedImage[],
  tokens: number,
): { starts: number[]; rows: number } {
  let rows = 0;
  const starts = images.map((image) => {
    const start = rows;
    rows += image.shape[0]! * tokens;
    return start;
  });
  return { starts, rows };
}
