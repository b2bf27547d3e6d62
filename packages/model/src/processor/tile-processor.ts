import { type ImageSize, type RgbImage, VlmR1Error, resizeImage } from "@vlmr1/core";
import { z } from "zod";
import { dimension, parseConfig } from "../config/parse-config.ts";
import type { ImageLayout, ImageProcessor, ProcessedImage } from "../family.ts";
import { pixelLevels } from "./pixel-values.ts";
import { imageFields, normalization, resizeFilter } from "./preprocessor-config.ts";
import { checkAspectRatio } from "./smart-resize.ts";
import { tileGrid } from "./tile-grid.ts";
import { writeTile } from "./tile-pixels.ts";

const edge = z.looseObject({ longest_edge: dimension.max(1 << 14) }).nullish();

const fields = z.looseObject({
  ...imageFields.shape,
  do_image_splitting: z.boolean().nullish(),
  size: edge,
  max_image_size: edge,
});

/** The defaults of `Idefics3ImageProcessor`. */
const DEFAULTS = { filter: "lanczos", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;

/** What the vision tower expects of its processor. */
export interface TileGeometry {
  /** Side of a tile in pixels. */
  readonly imageSize: number;
  /** Placeholder tokens of one tile. */
  readonly tokensPerTile: number;
}

/**
 * The image processor of Idefics3, SmolVLM and SmolVLM2: an enlarged image cut into square tiles, the whole image as
 * the last one. Equal to `Idefics3ImageProcessor` and `SmolVLMImageProcessor` of transformers (Pillow back end).
 *
 * Throws `VlmR1Error` (`invalid-data`) when `preprocessor_config.json` contradicts the tower.
 */
export function tileProcessor(preprocessor: unknown, tower: TileGeometry): ImageProcessor {
  const config = parseConfig(fields, preprocessor ?? {}, "preprocessor_config.json");
  const tile = config.max_image_size?.longest_edge ?? tower.imageSize;
  if (tile !== tower.imageSize) {
    throw new VlmR1Error(
      "invalid-data",
      `preprocessor_config.json: max_image_size is ${tile}, the vision tower of config.json takes tiles of ${tower.imageSize} pixels.`,
    );
  }
  const longestEdge = config.size?.longest_edge ?? 4 * tile;
  const filter = resizeFilter(config, DEFAULTS);
  const levels = pixelLevels(normalization(config, DEFAULTS));
  const split = config.do_image_splitting ?? true;
  const layout = (image: ImageSize): ImageLayout => {
    checkAspectRatio(image);
    const { squared, rows, columns } = tileGrid(image, longestEdge, tile, split);
    const tiles = rows * columns + 1;
    return {
      shape: [tiles, 3, tile, tile],
      grid: [1, rows, columns],
      tokens: tiles * tower.tokensPerTile,
      resized: squared,
    };
  };
  const process = (image: RgbImage): ProcessedImage => {
    const planned = layout(image);
    const { scaled, squared, rows, columns } = tileGrid(image, longestEdge, tile, split);
    const whole = resizeImage(resizeImage(image, scaled, filter), squared, filter);
    const last = resizeImage(whole, { width: tile, height: tile }, filter);
    const pixels = new Float32Array((rows * columns + 1) * 3 * tile * tile); // [tiles, 3, tile, tile]
    for (let index = 0; index < rows * columns; index++) {
      const corner = { x: (index % columns) * tile, y: Math.floor(index / columns) * tile };
      writeTile(pixels, index, whole, corner, tile, levels);
    }
    writeTile(pixels, rows * columns, last, { x: 0, y: 0 }, tile, levels);
    return { ...planned, pixels };
  };
  return {
    placeholder: "<image>",
    layout,
    process,
    expand: (image) => tilePrompt(image.grid, tower.tokensPerTile),
  };
}

/**
 * The text that replaces `<image>`: every tile announced by its row and column, a line break after each row, the whole
 * image last.
 * Source: `get_image_prompt_string` of `processing_smolvlm.py`.
 */
export function tilePrompt([, rows, columns]: ImageLayout["grid"], tokensPerTile: number): string {
  const fence = "<fake_token_around_image>";
  const content = "<image>".repeat(tokensPerTile);
  const whole = `${fence}<global-img>${content}${fence}`;
  if (rows === 0 && columns === 0) return whole;
  let text = "";
  for (let row = 1; row <= rows; row++) {
    for (let column = 1; column <= columns; column++) text += `${fence}<row_${row}_col_${column}>${content}`;
    text += "\n";
  }
  return `${text}\n${whole}`;
}
