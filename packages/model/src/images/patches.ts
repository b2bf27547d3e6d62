import type { ImageSize, RgbImage } from "@vlmr1/core";
import type { ProcessedImage } from "../network/architecture.ts";
import type { PixelLevels } from "./processor.ts";

/** Size of one image in patches: frames, rows and columns before the merger. */
export type PatchGrid = readonly [frames: number, rows: number, columns: number];

/**
 * Row and column of every patch, in the order in which Qwen towers take them: frames one after the other, in a frame blocks of
 * `merge` x `merge` patches row by row, inside a block row by row.
 */
export function patchCoordinates(grid: PatchGrid, merge: number): { rows: Int32Array; columns: Int32Array } {
  const [frames, height, width] = grid;
  const rows = new Int32Array(frames * height * width); // [N]
  const columns = new Int32Array(frames * height * width); // [N]
  let index = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let top = 0; top < height; top += merge) {
      for (let left = 0; left < width; left += merge) {
        for (let cell = 0; cell < merge * merge; cell++, index++) {
          rows[index] = top + Math.floor(cell / merge);
          columns[index] = left + (cell % merge);
        }
      }
    }
  }
  return { rows, columns };
}

/** Number of patches. */
export function patchCount(grid: PatchGrid): number {
  return grid[0] * grid[1] * grid[2];
}

/** Size of one image in placeholders: every `merge` x `merge` patches become one. */
export function mergedGrid(grid: PatchGrid, merge: number): [number, number, number] {
  return [grid[0], grid[1] / merge, grid[2] / merge];
}

/** Geometry of patch rows. */
interface PatchLayout {
  readonly patchSize: number;
  /** Frames in a patch; a still image is repeated in all of them. */
  readonly temporalPatchSize: number;
  /** Side of the block of patches that follow each other. */
  readonly mergeSize: number;
}

/**
 * Cuts an image into rows of normalized patch values, `[N, 3 * time * patch * patch]`: channel, frame, y, x inside a row; patches
 * in merge blocks, see `patchCoordinates`. Sides must be multiples of `patchSize * mergeSize`.
 *
 * Source: the reshape and transpose at the end of `Qwen2VLImageProcessor._preprocess`.
 */
export function patchify(image: RgbImage, levels: PixelLevels, layout: PatchLayout): Float32Array {
  const { patchSize, temporalPatchSize, mergeSize } = layout;
  const [rows, columns] = [image.height / patchSize, image.width / patchSize];
  const area = patchSize * patchSize;
  const width = 3 * temporalPatchSize * area;
  const values = new Float32Array(rows * columns * width); // [N, 3 * time * patch * patch]
  let offset = 0;
  for (let top = 0; top < rows; top += mergeSize) {
    for (let left = 0; left < columns; left += mergeSize) {
      for (let cell = 0; cell < mergeSize * mergeSize; cell++, offset += width) {
        const row = top + Math.floor(cell / mergeSize);
        const column = left + (cell % mergeSize);
        const first = (row * image.width + column) * patchSize * 3;
        writePatch(values, offset, image, first, levels, layout);
      }
    }
  }
  return values;
}

/** One row: the patch whose top left pixel lies at byte `first`. */
function writePatch(
  values: Float32Array,
  offset: number,
  image: RgbImage,
  first: number,
  levels: PixelLevels,
  { patchSize, temporalPatchSize }: PatchLayout,
): void {
  const area = patchSize * patchSize;
  for (let channel = 0; channel < 3; channel++) {
    const level = levels[channel]!;
    const start = offset + channel * temporalPatchSize * area;
    for (let y = 0; y < patchSize; y++) {
      let byte = first + y * image.width * 3 + channel;
      for (let x = 0; x < patchSize; x++, byte += 3)
        values[start + y * patchSize + x] = level[image.data[byte]!]!;
    }
    for (let frame = 1; frame < temporalPatchSize; frame++) {
      values.copyWithin(start + frame * area, start, start + area);
    }
  }
}

/** Copies the square of `image` whose top left pixel is `corner` to tile `index` of `pixels` `[tiles, 3, tile, tile]`. */
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
interface TilePatches {
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

/** What the vision tower expects of its processor. */
export interface TileGeometry {
  /** Side of a tile in pixels. */
  readonly imageSize: number;
  /** Placeholder tokens of one tile. */
  readonly tokensPerTile: number;
}

/** A picture in the middle of a black canvas. */
export function centerOn(image: RgbImage, { width, height }: ImageSize): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const [left, top] = [Math.floor((width - image.width) / 2), Math.floor((height - image.height) / 2)];
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
    data.set(row, ((y + top) * width + left) * 3);
  }
  return { width, height, data };
}
