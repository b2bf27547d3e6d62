/** Per channel, the float32 value of each of the 256 levels: `[channels][256]`. */
export type PixelLevels = readonly Float32Array[];

/** How levels 0..255 become numbers. */
export interface Normalization {
  /** Factor of the levels, usually 1/255; undefined: none. */
  readonly rescale: number | undefined;
  /** Mean and standard deviation per channel; undefined: no normalization. */
  readonly mean: readonly number[] | undefined;
  readonly std: readonly number[] | undefined;
}

/**
 * Values of all levels: `(level * rescale - mean) / std`, rounded to float32 after every operation as numpy does in
 * transformers' image processors.
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
