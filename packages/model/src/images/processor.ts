import { type ImageSize, type ResizeFilter, type RgbImage, VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import type { ImageLayout, ProcessedImage } from "../network/architecture.ts";
import { positive } from "../weights/documents.ts";

/** Turns pictures into tensors and placeholders into text, equal to the processor of transformers. */
export interface ImageProcessor {
  /** What stands for one image in the rendered chat template, for example `<|image_pad|>`. */
  readonly placeholder: string;
  /** What `process` would make of an image of this size; allocates nothing. Throws `VlmR1Error` for sizes that the model cannot take. */
  layout(size: ImageSize): ImageLayout;
  /** Resizes, normalizes and cuts one image. Throws like `layout`. */
  process(image: RgbImage): ProcessedImage;
  /** The text that replaces the placeholder of this image. */
  expand(image: ImageLayout): string;
}

/**
 * Replaces each image placeholder of a rendered prompt by the text that the processor makes of its image, in order.
 *
 * @throws VlmR1Error `invalid-data` when the prompt has another number of placeholders than there are images.
 */
export function expandPlaceholders(
  text: string,
  processor: ImageProcessor,
  images: readonly ImageLayout[],
): string {
  const parts = text.split(processor.placeholder);
  if (parts.length - 1 !== images.length) {
    throw new VlmR1Error(
      "invalid-data",
      `The prompt has ${parts.length - 1} image placeholders (${processor.placeholder}), but ${images.length} images were given. ` +
        "Give one image for each image part of the messages, and no placeholder inside the text.",
    );
  }
  return parts
    .map((part, index) => (index === 0 ? part : processor.expand(images[index - 1]!) + part))
    .join("");
}

/**
 * Makes sure that a prompt has one placeholder token for every image feature.
 *
 * @throws VlmR1Error `invalid-data` when it does not.
 */
export function checkImageTokens(
  ids: readonly number[],
  imageTokenId: number,
  images: readonly ImageLayout[],
): void {
  const placeholders = ids.reduce((count, id) => count + (id === imageTokenId ? 1 : 0), 0);
  const features = images.reduce((sum, image) => sum + image.tokens, 0);
  if (placeholders === features) return;
  throw new VlmR1Error(
    "invalid-data",
    `The prompt has ${placeholders} image placeholders (token ${imageTokenId}), its ${images.length} images need ${features}. ` +
      "Give one image for each image part of the messages, in order.",
  );
}

/** Longest side over shortest side that every processor here accepts (the limit of Qwen's `smart_resize`). */
const MAX_ASPECT_RATIO = 200;

/**
 * Refuses pictures that are empty or narrower than 1 : 200.
 *
 * Throws `VlmR1Error` (`invalid-data`) before anything is allocated.
 */
export function checkAspectRatio({ width, height }: ImageSize): void {
  const ratio = Math.max(width, height) / Math.min(width, height);
  if (ratio <= MAX_ASPECT_RATIO) return;
  throw new VlmR1Error(
    "invalid-data",
    `An image of ${width}x${height} pixels cannot be used: its sides differ by more than ${MAX_ASPECT_RATIO} times. Crop or pad it.`,
  );
}

const triple = z.array(z.number().finite()).length(3);

/** The fields of `preprocessor_config.json` that all image processors share. */
export const imageFields = z.looseObject({
  do_resize: z.boolean().nullish(),
  do_rescale: z.boolean().nullish(),
  do_normalize: z.boolean().nullish(),
  rescale_factor: positive.nullish(),
  resample: z.int().nullish(),
  image_mean: triple.nullish(),
  image_std: triple.nullish(),
});

/** What the class of an image processor says when the file is silent. */
interface ImageDefaults {
  readonly filter: ResizeFilter;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Pillow's numbers for its filters. */
const FILTERS: Readonly<Record<number, ResizeFilter>> = { 1: "lanczos", 2: "bilinear", 3: "bicubic" };

/** The resampling filter of a processor. Throws `VlmR1Error` (`unsupported`) for one that no model here uses. */
export function resizeFilter(fields: z.output<typeof imageFields>, defaults: ImageDefaults): ResizeFilter {
  const { resample } = fields;
  if (resample === undefined || resample === null) return defaults.filter;
  const filter = FILTERS[resample];
  if (filter) return filter;
  throw new VlmR1Error(
    "unsupported",
    `preprocessor_config.json: resample is ${resample}; supported are 1 (Lanczos), 2 (bilinear) and 3 (bicubic).`,
  );
}

/** How levels 0..255 become numbers. */
interface Normalization {
  /** Factor of the levels, usually 1/255; undefined: none. */
  readonly rescale: number | undefined;
  /** Mean and standard deviation per channel; undefined: no normalization. */
  readonly mean: readonly number[] | undefined;
  readonly std: readonly number[] | undefined;
}

/** How levels become numbers, with the defaults of the class. Throws `VlmR1Error` (`invalid-data`) for a deviation of 0. */
export function normalization(fields: z.output<typeof imageFields>, defaults: ImageDefaults): Normalization {
  const std = fields.image_std ?? defaults.std;
  if (std.includes(0)) {
    throw new VlmR1Error(
      "invalid-data",
      "preprocessor_config.json: image_std contains 0. Use the original checkpoint's file.",
    );
  }
  const normalize = fields.do_normalize ?? true;
  return {
    rescale: (fields.do_rescale ?? true) ? (fields.rescale_factor ?? 1 / 255) : undefined,
    mean: normalize ? (fields.image_mean ?? defaults.mean) : undefined,
    std: normalize ? std : undefined,
  };
}

/** Per channel, the float32 value of each of the 256 levels: `[channels][256]`. */
export type PixelLevels = readonly Float32Array[];

/**
 * Values of all levels: `(level * rescale - mean) / std`, rounded to float32 after every operation as numpy does in transformers'
 * image processors.
 */
export function pixelLevels({ rescale, mean, std }: Normalization): PixelLevels {
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: 256 }, (_, level) => {
      const scaled = rescale === undefined ? level : Math.fround(level * rescale);
      if (!mean || !std) return scaled;
      return Math.fround(Math.fround(scaled - Math.fround(mean[channel]!)) / Math.fround(std[channel]!));
    }),
  );
}
