import { type ImageSize } from "@vlmr1/core";

/** How a tiled family cuts one image. */
export interface TileGrid {
  /** First resize: the longest edge has its final length. */
  readonly scaled: ImageSize;
  /** Second resize: both sides multiples of the tile; equal to one tile when the image is not split. */
  readonly squared: ImageSize;
  /** Tiles in each direction; 0 and 0 when the image is not split. */
  readonly rows: number;
  readonly columns: number;
}

/** Sides above this are never made. */
const MAX_SIDE = 4096;

/**
 * The tiles of one image in Idefics3 and SmolVLM: scaled so that the longest edge is `longestEdge`, stretched to whole
 * tiles of
 * `tile` pixels, and cut. With `split` false, or when one tile is enough, only the whole image squeezed into one tile
 * remains.
 *
 * Source: `Idefics3ImageProcessor`: `get_resize_output_image_size`, `resize_for_vision_encoder`, `split_image`.
 */
export function tileGrid(size: ImageSize, longestEdge: number, tile: number, split: boolean): TileGrid {
  const scaled = belowMaximum(toLongestEdge(size, longestEdge));
  if (!split) return { scaled, squared: { width: tile, height: tile }, rows: 0, columns: 0 };
  const squared = toWholeTiles(scaled, tile);
  const single = squared.width <= tile && squared.height <= tile;
  return {
    scaled,
    squared,
    rows: single ? 0 : squared.height / tile,
    columns: single ? 0 : squared.width / tile,
  };
}

function toLongestEdge({ width, height }: ImageSize, edge: number): ImageSize {
  const ratio = width / height;
  if (width >= height) return { width: edge, height: Math.max(1, evenUp(Math.trunc(edge / ratio))) };
  return { width: Math.max(1, evenUp(Math.trunc(edge * ratio))), height: edge };
}

function belowMaximum({ width, height }: ImageSize): ImageSize {
  const ratio = width / height;
  if (width >= height && width > MAX_SIDE)
    return { width: MAX_SIDE, height: Math.max(1, Math.trunc(MAX_SIDE / ratio)) };
  if (height > width && height > MAX_SIDE)
    return { width: Math.max(1, Math.trunc(MAX_SIDE * ratio)), height: MAX_SIDE };
  return { width, height };
}

function toWholeTiles({ width, height }: ImageSize, tile: number): ImageSize {
  const ratio = width / height;
  const whole = (side: number): number => Math.ceil(side / tile) * tile;
  if (width >= height) return { width: whole(width), height: whole(Math.trunc(whole(width) / ratio)) };
  return { width: whole(Math.trunc(whole(height) * ratio)), height: whole(height) };
}

function evenUp(value: number): number {
  return value + (value % 2);
}
