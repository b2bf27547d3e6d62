/** Size of one image in patches: frames, rows and columns before the merger. */
export type PatchGrid = readonly [frames: number, rows: number, columns: number];

/**
 * Row and column of every patch, in the order in which Qwen towers take them: frames one after the other, in a frame
 * blocks of `merge` x `merge` patches row by row, inside a block row by row.
 */
export function patchCoordinates(grid: PatchGrid, merge: number): { rows: Int32Array; columns: Int32Array } {
  const [frames, height, width] = grid;
  const rows = new Int32Array(frames * height * width); // [N]
  const columns = new Int32Array(frames * height * width); // [N]
  let index = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let top = 0; top < height; top += merge) {
      for (let left = 0; left < width; left += merge) {
        for (let cell = 0; cell < merge * merge; cell++, index++) {
          rows[index] = top + Math.floor(cell / merge);
          columns[index] = left + (cell % merge);
        }
      }
    }
  }
  return { rows, columns };
}

/** Number of patches. */
export function patchCount(grid: PatchGrid): number {
  return grid[0] * grid[1] * grid[2];
}

/** Size of one image in placeholders: every `merge` x `merge` patches become one. */
export function mergedGrid(grid: PatchGrid, merge: number): [number, number, number] {
  return [grid[0], grid[1] / merge, grid[2] / merge];
}
