import type { PatchGrid } from "./patch-grid.ts";

/** How a windowed tower (Qwen2.5-VL) reorders one image. */
export interface AttentionWindows {
  /** Merged cell at each place of the window order, `[N / merge^2]`. */
  readonly order: Int32Array;
  /** First patch of each window and the end, in window order: `cu_window_seqlens` of transformers. */
  readonly bounds: readonly number[];
}

/**
 * Cuts the merged cells of one image into windows of `windowSize` pixels (Qwen2.5-VL, https://arxiv.org/abs/2502.13923,
 * section 2.1.1). Windows at the right and bottom border may be smaller; empty ones are left out.
 */
export function attentionWindows(
  grid: PatchGrid,
  merge: number,
  windowSize: number,
  patchSize: number,
): AttentionWindows {
  const [frames, rows, columns] = [grid[0], grid[1] / merge, grid[2] / merge];
  const side = Math.floor(Math.floor(windowSize / merge) / patchSize);
  const order = new Int32Array(frames * rows * columns);
  const bounds = [0];
  let place = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let top = 0; top < rows; top += side) {
      for (let left = 0; left < columns; left += side) {
        for (let row = top; row < Math.min(top + side, rows); row++) {
          for (let column = left; column < Math.min(left + side, columns); column++) {
            order[place++] = (frame * rows + row) * columns + column;
          }
        }
        bounds.push(place * merge * merge);
      }
    }
  }
  return { order, bounds };
}
