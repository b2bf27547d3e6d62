/** One row of a table: a value for each column. */
export type TableRow = Readonly<Record<string, unknown>>;

/** A table on disk of which only the layout is in memory. */
export interface TableFile {
  readonly path: string;
  readonly length: number;
  readonly columns: readonly string[];
  /** Row `index`. Text is string, image bytes are Uint8Array, lists arrays, structs objects, absent values null. */
  row(index: number): Promise<TableRow>;
  /** Shows every row to `visit` in order, with some columns only. */
  scan(columns: readonly string[], visit: (row: TableRow, index: number) => void): Promise<void>;
}
