import type { RgbImage } from "@vlmr1/core";
import type { PixelLevels } from "./pixel-values.ts";

/** Geometry of patch rows. */
export interface PatchLayout {
  readonly patchSize: number;
  /** Frames in a patch; a still image is repeated in all of them. */
  readonly temporalPatchSize: number;
  /** Side of the block of patches that follow each other. */
  readonly mergeSize: number;
}

/**
 * Cuts an image into rows of normalized patch values, `[N, 3 * time * patch * patch]`: channel, frame, y, x inside a
 * row; patches in merge blocks, see `patchCoordinates`. Sides must be multiples of `patchSize * mergeSize`.
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
