import { inverseFrequencies } from "../layers/rotary.ts";
import { type PatchGrid, patchCoordinates } from "./patch-grid.ts";

/**
 * Rotary angles of every patch in a Qwen vision tower, `[N, headDim / 2]`: the first half of the frequencies reads the
 * row, the second half the column. Order of the patches: see `patchCoordinates`.
 *
 * Arithmetic in float32, as transformers computes it (`Qwen2VLVisionRotaryEmbedding`); `theta` is 10000 in all
 * releases.
 */
export function visionRotaryAngles(
  grid: PatchGrid,
  merge: number,
  headDim: number,
  theta: number,
): Float32Array {
  const { rows, columns } = patchCoordinates(grid, merge);
  const half = headDim / 2;
  const frequencies = inverseFrequencies(theta, half); // [headDim / 4]
  const quarter = frequencies.length;
  const angles = new Float32Array(rows.length * half); // [N, headDim / 2]
  for (let patch = 0; patch < rows.length; patch++) {
    for (let i = 0; i < quarter; i++) {
      angles[patch * half + i] = rows[patch]! * frequencies[i]!;
      angles[patch * half + quarter + i] = columns[patch]! * frequencies[i]!;
    }
  }
  return angles;
}
