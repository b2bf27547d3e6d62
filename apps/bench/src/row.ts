/** One comparison: the same work, ours and a peer's, in one run on one machine. */
export interface BenchRow {
  readonly name: string;
  /** Our figure in `unit`: the median of several runs. */
  readonly ours: number;
  /** The peer's figure; absent when the peer is not installed. */
  readonly peer?: number;
  /** How many times better ours is (above 1 is better), whichever direction the unit has. */
  readonly ratio?: number;
  readonly unit: string;
  /** Who the peer is, and what else a reader must know. */
  readonly note?: string;
}

/** A named set of comparisons; may take minutes. `say` reports progress. */
export interface Benchmark {
  readonly name: string;
  /** What is compared, in one sentence. */
  readonly about: string;
  run(say: (line: string) => void): Promise<readonly BenchRow[]>;
}

/** A row for which less is better (seconds, bytes). */
export function lessIsBetter(row: Omit<BenchRow, "ratio">): BenchRow {
  return row.peer === undefined ? row : { ...row, ratio: row.peer / row.ours };
}

/** A row for which more is better (tokens a second). */
export function moreIsBetter(row: Omit<BenchRow, "ratio">): BenchRow {
  return row.peer === undefined ? row : { ...row, ratio: row.ours / row.peer };
}

/** The middle of some measurements. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
