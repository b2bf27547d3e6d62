import { type ImageSize, VlmR1Error } from "@vlmr1/core";

/** Longest side over shortest side that every processor here accepts (the limit of Qwen's `smart_resize`). */
export const MAX_ASPECT_RATIO = 200;

/**
 * Refuses pictures that are empty or narrower than 1 : 200.
 *
 * Throws `VlmR1Error` (`invalid-argument`) before anything is allocated.
 */
export function checkAspectRatio({ width, height }: ImageSize): void {
  const ratio = Math.max(width, height) / Math.min(width, height);
  if (ratio <= MAX_ASPECT_RATIO) return;
  throw new VlmR1Error(
    "invalid-argument",
    `An image of ${width}x${height} pixels cannot be used: its sides differ by more than ${MAX_ASPECT_RATIO} times. Crop or pad it.`,
  );
}

/**
 * The size at which Qwen-VL models see a picture: both sides multiples of `factor`, area between `minPixels` and
 * `maxPixels`, aspect ratio kept as well as that allows. Source: `smart_resize` of transformers, which rounds halves
 * to even.
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
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
