import { type ImageSize, type RgbImage, resizeImage } from "@vlmr1/core";
import { z } from "zod";
import { parseConfig } from "../config/parse-config.ts";
import type { ImageLayout, ImageProcessor, ProcessedImage } from "../family.ts";
import { pixelLevels } from "./pixel-values.ts";
import { imageFields, normalization, resizeFilter } from "./preprocessor-config.ts";
import { checkAspectRatio } from "./smart-resize.ts";
import { writeTile } from "./tile-pixels.ts";
import type { TileGeometry } from "./tile-processor.ts";

const count = z.int().min(1).max(64);
const fields = z.looseObject({
  ...imageFields.shape,
  min_patches: count.nullish(),
  max_patches: count.nullish(),
});

/** The defaults of `GotOcr2ImageProcessor`, with the means of InternVL. */
const DEFAULTS = { filter: "bicubic", mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/**
 * The image processor of InternVL: the canvas of up to `max_patches` tiles whose aspect ratio is nearest, and a
 * thumbnail as the last tile when there are several. Equal to `GotOcr2ImageProcessor` of transformers as
 * `InternVLProcessor` calls it, which cuts images whatever `crop_to_patches` of the file says.
 */
export function canvasProcessor(
  preprocessor: unknown,
  { imageSize: tile, tokensPerTile }: TileGeometry,
): ImageProcessor {
  const config = parseConfig(fields, preprocessor ?? {}, "preprocessor_config.json");
  const [fewest, most] = [config.min_patches ?? 1, config.max_patches ?? 12];
  const filter = resizeFilter(config, DEFAULTS);
  const levels = pixelLevels(normalization(config, DEFAULTS));
  const layout = (image: ImageSize): ImageLayout => {
    checkAspectRatio(image);
    const { rows, columns } = bestCanvas(image, tile, fewest, most);
    const tiles = rows * columns + (rows * columns > 1 ? 1 : 0);
    return {
      shape: [tiles, 3, tile, tile],
      grid: [1, rows, columns],
      tokens: tiles * tokensPerTile,
      resized: { width: columns * tile, height: rows * tile },
    };
  };
  const process = (image: RgbImage): ProcessedImage => {
    const planned = layout(image);
    const [, rows, columns] = planned.grid;
    const canvas = resizeImage(image, planned.resized, filter);
    const pixels = new Float32Array(planned.shape.reduce((product, size) => product * size, 1)); // [tiles, 3, tile, tile]
    for (let index = 0; index < rows * columns; index++) {
      const corner = { x: (index % columns) * tile, y: Math.floor(index / columns) * tile };
      writeTile(pixels, index, canvas, corner, tile, levels);
    }
    if (rows * columns > 1) {
      const thumbnail = resizeImage(image, { width: tile, height: tile }, filter);
      writeTile(pixels, rows * columns, thumbnail, { x: 0, y: 0 }, tile, levels);
    }
    return { ...planned, pixels };
  };
  const expand = ({ tokens }: ImageLayout): string => `<img>${"<IMG_CONTEXT>".repeat(tokens)}</img>`;
  return { placeholder: "<IMG_CONTEXT>", layout, process, expand };
}

/**
 * Rows and columns of tiles: the aspect ratio nearest to the image's; of equal ones the larger, unless it has more
 * than twice the area of the image. Source: `get_optimal_tiled_canvas` of `GotOcr2ImageProcessor`.
 */
export function bestCanvas(
  { width, height }: ImageSize,
  tile: number,
  fewest: number,
  most: number,
): { rows: number; columns: number } {
  let best = { rows: 1, columns: 1 };
  let smallest = Infinity;
  for (const canvas of canvases(fewest, most)) {
    const difference = Math.abs(width / height - canvas.columns / canvas.rows);
    const covers = width * height > 0.5 * tile * tile * canvas.columns * canvas.rows;
    if (difference < smallest || (difference === smallest && covers)) best = canvas;
    smallest = Math.min(smallest, difference);
  }
  return best;
}

/** All canvases by number of tiles; of the same number, the narrow ones first. */
function canvases(fewest: number, most: number): { rows: number; columns: number }[] {
  const all: { rows: number; columns: number }[] = [];
  for (let columns = 1; columns <= most; columns++) {
    for (let rows = 1; rows * columns <= most; rows++)
      if (rows * columns >= fewest) all.push({ rows, columns });
  }
  return all.toSorted((a, b) => a.rows * a.columns - b.rows * b.columns);
}
