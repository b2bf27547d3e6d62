/**
 * The one-to-one assignment of rows to columns with the smallest total cost: `result[row]` is its column,
 * or -1 for the rows that are left over when there are more rows than columns. Costs are finite.
 *
 * The Hungarian method as shortest augmenting paths (Jonker, Volgenant 1987): O(min(n, m)^2 max(n, m));
 * equal to SciPy's `linear_sum_assignment` in total cost.
 */
export function assign(costs: readonly (readonly number[])[]): number[] {
  const rows = costs.length;
  const columns = costs[0]?.length ?? 0;
  if (rows <= columns) return assignRows(rows, columns, (row, column) => costs[row]?.[column] as number);
  const transposed = assignRows(columns, rows, (row, column) => costs[column]?.[row] as number);
  const result = new Array<number>(rows).fill(-1);
  transposed.forEach((row, column) => (result[row] = column));
  return result;
}

/** Rows <= columns. Numbering in the potentials starts at 1; column 0 is where a new row enters. */
function assignRows(rows: number, columns: number, cost: (row: number, column: number) => number): number[] {
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  const previous = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    rowOf[0] = row;
    const distance = new Float64Array(columns + 1).fill(Infinity);
    const visited = new Uint8Array(columns + 1);
    let column = 0;
    do {
      visited[column] = 1;
      const current = rowOf[column] as number;
      let delta = Infinity;
      let next = 0;
      for (let j = 1; j <= columns; j++) {
        if (visited[j] === 1) continue;
        const reduced =
          cost(current - 1, j - 1) - (rowPotential[current] as number) - (columnPotential[j] as number);
        if (reduced < (distance[j] as number)) {
          distance[j] = reduced;
          previous[j] = column;
        }
        if ((distance[j] as number) < delta) {
          delta = distance[j] as number;
          next = j;
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (visited[j] === 1) {
          rowPotential[rowOf[j] as number] = (rowPotential[rowOf[j] as number] as number) + delta;
          columnPotential[j] = (columnPotential[j] as number) - delta;
        } else distance[j] = (distance[j] as number) - delta;
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      const before = previous[column] as number;
      rowOf[column] = rowOf[before] as number;
      column = before;
    }
  }
  const result = new Array<number>(rows).fill(-1);
  for (let j = 1; j <= columns; j++) if (rowOf[j] !== 0) result[(rowOf[j] as number) - 1] = j - 1;
  return result;
}
