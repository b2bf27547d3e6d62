import { type ImageSize, resizeImage, type RgbImage, VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import type { ImageLayout, ProcessedImage } from "../network/architecture.ts";
import { dimension, parseConfig } from "../weights/documents.ts";
import { patchify } from "./patches.ts";
import {
  checkAspectRatio,
  imageFields,
  type ImageProcessor,
  normalization,
  pixelLevels,
  resizeFilter,
} from "./processor.ts";

/** Areas in pixels: they have kept the names of edges. */
const area = z
  .int()
  .min(1)
  .max(2 ** 28);

const sizeFields = z.looseObject({ shortest_edge: area, longest_edge: area });

const preprocessorFields = z.looseObject({
  ...imageFields.shape,
  min_pixels: area.nullish(),
  max_pixels: area.nullish(),
  size: sizeFields.nullish(),
  patch_size: dimension.nullish(),
  temporal_patch_size: dimension.nullish(),
  merge_size: dimension.nullish(),
});

/** The defaults of `Qwen2VLImageProcessor`. */
const DEFAULTS = {
  filter: "bicubic",
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  minPixels: 56 * 56,
  maxPixels: 28 * 28 * 1280,
} as const;

/** What the vision tower expects of its processor. */
interface PatchGeometry {
  readonly patchSize: number;
  readonly temporalPatchSize: number;
  readonly mergeSize: number;
}

/**
 * The image processor of Qwen2-VL, Qwen2.5-VL and Qwen3-VL: dynamic resolution, patch rows, one placeholder token for every
 * `mergeSize` x `mergeSize` patches. Equal to `Qwen2VLImageProcessor` of transformers (Pillow back end).
 *
 * Throws `VlmR1Error` (`invalid-data`) when `preprocessor_config.json` contradicts itself or the tower.
 */
export function qwenProcessor(preprocessor: unknown, tower: PatchGeometry): ImageProcessor {
  const config = parseConfig(preprocessorFields, preprocessor ?? {}, "preprocessor_config.json");
  const geometry = patchGeometry(config, tower);
  const factor = geometry.patchSize * geometry.mergeSize;
  const minPixels = config.min_pixels ?? config.size?.shortest_edge ?? DEFAULTS.minPixels;
  const maxPixels = config.max_pixels ?? config.size?.longest_edge ?? DEFAULTS.maxPixels;
  if (minPixels > maxPixels) {
    throw new VlmR1Error(
      "invalid-data",
      `preprocessor_config.json: the smallest image (${minPixels} pixels) is larger than the largest (${maxPixels} pixels).`,
    );
  }
  const filter = resizeFilter(config, DEFAULTS);
  const levels = pixelLevels(normalization(config, DEFAULTS));
  const target = (image: ImageSize): ImageSize =>
    (config.do_resize ?? true) ? smartResize(image, factor, minPixels, maxPixels) : unresized(image, factor);
  const layout = (image: ImageSize): ImageLayout => {
    const size = target(image);
    const [rows, columns] = [size.height / geometry.patchSize, size.width / geometry.patchSize];
    return {
      shape: [rows * columns, 3 * geometry.temporalPatchSize * geometry.patchSize ** 2],
      grid: [1, rows, columns],
      tokens: (rows * columns) / geometry.mergeSize ** 2,
      resized: size,
    };
  };
  const process = (image: RgbImage): ProcessedImage => {
    const planned = layout(image);
    return { ...planned, pixels: patchify(resizeImage(image, planned.resized, filter), levels, geometry) };
  };
  return {
    placeholder: "<|image_pad|>",
    layout,
    process,
    expand: (image) => "<|image_pad|>".repeat(image.tokens),
  };
}

function patchGeometry(config: z.output<typeof preprocessorFields>, tower: PatchGeometry): PatchGeometry {
  const pairs = [
    ["patch_size", config.patch_size, tower.patchSize],
    ["temporal_patch_size", config.temporal_patch_size, tower.temporalPatchSize],
    ["merge_size", config.merge_size, tower.mergeSize],
  ] as const;
  for (const [name, given, expected] of pairs) {
    if (given === undefined || given === null || given === expected) continue;
    throw new VlmR1Error(
      "invalid-data",
      `preprocessor_config.json: ${name} is ${given}, the vision tower of config.json takes ${expected}. The files are of different models.`,
    );
  }
  return tower;
}

function unresized(image: ImageSize, factor: number): ImageSize {
  checkAspectRatio(image);
  if (image.width % factor === 0 && image.height % factor === 0)
    return { width: image.width, height: image.height };
  throw new VlmR1Error(
    "invalid-argument",
    `An image of ${image.width}x${image.height} pixels needs resizing to multiples of ${factor}, but do_resize is false in preprocessor_config.json.`,
  );
}

/**
 * The size at which Qwen-VL models see a picture: both sides multiples of `factor`, area between `minPixels` and `maxPixels`,
 * aspect ratio kept as well as that allows. Source: `smart_resize` of transformers, which rounds halves to even.
 *
 * Throws `VlmR1Error` (`invalid-argument`) for sides that differ by more than 200 times.
 */
export function smartResize(
  size: ImageSize,
  factor: number,
  minPixels: number,
  maxPixels: number,
): ImageSize {
  checkAspectRatio(size);
  const { width, height } = size;
  const rounded = {
    width: roundHalfEven(width / factor) * factor,
    height: roundHalfEven(height / factor) * factor,
  };
  if (rounded.width * rounded.height > maxPixels) {
    const shrink = Math.sqrt((height * width) / maxPixels);
    return {
      width: Math.max(factor, Math.floor(width / shrink / factor) * factor),
      height: Math.max(factor, Math.floor(height / shrink / factor) * factor),
    };
  }
  if (rounded.width * rounded.height < minPixels) {
    const grow = Math.sqrt(minPixels / (height * width));
    return {
      width: Math.ceil((width * grow) / factor) * factor,
      height: Math.ceil((height * grow) / factor) * factor,
    };
  }
  return rounded;
}

/** Python's `round`: 2.5 becomes 2, 3.5 becomes 4. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
