import { type ResizeFilter, VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import { positive } from "../config/parse-config.ts";
import type { Normalization } from "./pixel-values.ts";

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
export interface ImageDefaults {
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

/**
 * How levels become numbers, with the defaults of the class. Throws `VlmR1Error` (`invalid-data`) for a deviation of 0.
 */
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
