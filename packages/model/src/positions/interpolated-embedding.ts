import { type PatchGrid, patchCoordinates } from "./patch-grid.ts";

/** Bilinear interpolation of a learned position table: four rows of the table and their weights for every patch. */
export interface InterpolatedRows {
  /** `[4, N]`: rows of the table. */
  readonly indices: Int32Array;
  /** `[4, N]`: their weights; the four of a patch add up to 1. */
  readonly weights: Float32Array;
}

/**
 * Where each patch of `grid` falls in a square table of `side` x `side` learned positions (Qwen3-VL).
 *
 * The corners of the image meet the corners of the table. Arithmetic in float32, as in `fast_pos_embed_interpolate` of
 * transformers. Order of the patches: see `patchCoordinates`.
 */
export function interpolatedRows(grid: PatchGrid, merge: number, side: number): InterpolatedRows {
  const { rows, columns } = patchCoordinates(grid, merge);
  const vertical = linspace(side - 1, grid[1]);
  const horizontal = linspace(side - 1, grid[2]);
  const count = rows.length;
  const indices = new Int32Array(4 * count); // [4, N]
  const weights = new Float32Array(4 * count); // [4, N]
  for (let patch = 0; patch < count; patch++) {
    const y = vertical[rows[patch]!]!;
    const x = horizontal[columns[patch]!]!;
    const [top, left] = [Math.trunc(y), Math.trunc(x)];
    const [bottom, right] = [Math.min(top + 1, side - 1), Math.min(left + 1, side - 1)];
    const [down, across] = [Math.fround(y - top), Math.fround(x - left)];
    const [up, back] = [Math.fround(1 - down), Math.fround(1 - across)];
    const cells = [top * side + left, top * side + right, bottom * side + left, bottom * side + right];
    const shares = [up * back, up * across, down * back, down * across];
    for (let corner = 0; corner < 4; corner++) {
      indices[corner * count + patch] = cells[corner]!;
      weights[corner * count + patch] = shares[corner]!;
    }
  }
  return { indices, weights };
}

/** `torch.linspace(0, end, steps)` in float32: from both ends towards the middle. */
function linspace(end: number, steps: number): Float32Array {
  const step = steps > 1 ? Math.fround(end / (steps - 1)) : 0;
  return Float32Array.from({ length: steps }, (_, index) =>
    index < steps / 2
      ? Math.fround(step * index)
      : Math.fround(end - Math.fround(step * (steps - 1 - index))),
  );
}
