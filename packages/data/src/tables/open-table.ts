import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { showValue, VlmR1Error } from "@vlmr1/core";
import { invalidData, resolveInside, unreadable } from "@vlmr1/core/files";
import { openArrowFile } from "./arrow.ts";
import { openParquetFile } from "./parquet.ts";

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

/**
 * Opens a table as the Hugging Face libraries store it: a `.parquet` or `.arrow` file; a folder of parquet shards, of which `split`
 * chooses those named `split-*.parquet`; or a folder written by `save_to_disk`, with a sub-folder for each split or none.
 * @throws VlmR1Error `not-found` when nothing is there, `invalid-argument` for a split that does not exist, `invalid-data` otherwise.
 */
export async function openTable(path: string, split?: string): Promise<TableFile> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  if (!entry.isDirectory()) return openShard(path);
  const names = await readdir(path);
  if (names.includes("dataset_dict.json")) return openTable(await splitFolder(path, split));
  if (names.includes("state.json")) return openSaved(path);
  return openShards(path, names, split);
}

function openShard(path: string): Promise<TableFile> {
  if (path.endsWith(".parquet")) return openParquetFile(path);
  if (path.endsWith(".arrow")) return openArrowFile(path);
  throw new VlmR1Error(
    "unsupported",
    `${path}: tables are read from .parquet and .arrow files, and from folders of them.`,
  );
}

async function splitFolder(path: string, split: string | undefined): Promise<string> {
  const file = join(path, "dataset_dict.json");
  const { splits } = (await readJson(file)) as { splits?: unknown };
  if (!Array.isArray(splits) || !splits.every((name) => typeof name === "string")) {
    throw invalidData({
      file,
      place: "splits",
      problem: `a list of names should be here, found ${showValue(splits)}`,
    });
  }
  const chosen = split ?? (splits.length === 1 ? splits[0] : undefined);
  if (chosen === undefined || !splits.includes(chosen)) throw noSuchSplit(path, split, splits);
  return resolveInside(path, chosen, { file, place: "splits" });
}

async function openSaved(path: string): Promise<TableFile> {
  const file = join(path, "state.json");
  const state = (await readJson(file)) as { _data_files?: unknown; _indices_files?: unknown };
  const files = state._data_files;
  if (!Array.isArray(files) || files.length === 0) {
    throw invalidData({
      file,
      place: "_data_files",
      problem: `a list of Arrow files should be here, found ${showValue(files)}`,
    });
  }
  const shards: TableFile[] = [];
  for (const [index, entry] of files.entries()) {
    const name: unknown = (entry as { filename?: unknown } | null)?.filename;
    shards.push(
      await openArrowFile(resolveInside(path, name, { file, place: `_data_files[${index}].filename` })),
    );
  }
  return joined(path, shards);
}

async function openShards(
  path: string,
  names: readonly string[],
  split: string | undefined,
): Promise<TableFile> {
  const all = names.filter((name) => /\.(parquet|arrow)$/.test(name)).sort();
  if (all.length === 0) {
    if (names.includes("data")) return openTable(join(path, "data"), split);
    throw new VlmR1Error(
      "not-found",
      `${path} holds no .parquet or .arrow file and no folder of save_to_disk.`,
    );
  }
  const splitOf = (name: string): string => name.replace(/(-\d+-of-\d+)?\.(parquet|arrow)$/, "");
  const splits = [...new Set(all.map(splitOf))];
  const chosen = split ?? (splits.length === 1 ? splits[0] : undefined);
  if (chosen === undefined || !splits.includes(chosen)) throw noSuchSplit(path, split, splits);
  const shards: TableFile[] = [];
  for (const name of all) if (splitOf(name) === chosen) shards.push(await openShard(join(path, name)));
  return joined(path, shards);
}

function noSuchSplit(path: string, split: string | undefined, splits: readonly string[]): VlmR1Error {
  const there = splits.map((name) => `"${name}"`).join(", ");
  const asked = split === undefined ? "has several splits, so one must be named" : `has no split "${split}"`;
  return new VlmR1Error("invalid-argument", `${path} ${asked}; there are ${there || "none"}.`);
}

async function readJson(file: string): Promise<object> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (cause) {
    throw invalidData({ file, problem: `this is no valid JSON: ${(cause as Error).message}`, cause });
  }
  throw invalidData({ file, problem: "a JSON object should be here" });
}

/** Puts shards with the same columns one behind the other. */
function joined(path: string, shards: readonly TableFile[]): TableFile {
  const [first] = shards;
  const columns = first?.columns ?? [];
  for (const shard of shards) {
    if (shard.columns.join("\n") !== columns.join("\n")) {
      throw invalidData({
        file: shard.path,
        problem: `its columns are ${showValue(shard.columns)}, and those of ${first!.path} ${showValue(columns)}`,
      });
    }
  }
  const ends: number[] = [];
  let length = 0;
  for (const shard of shards) ends.push((length += shard.length));
  return {
    path,
    length,
    columns,
    row(index) {
      const shard = ends.findIndex((end) => index < end);
      return shards[shard]!.row(index - (ends[shard]! - shards[shard]!.length));
    },
    async scan(wanted, visit) {
      for (const [shard, table] of shards.entries()) {
        const start = ends[shard]! - table.length;
        await table.scan(wanted, (row, index) => visit(row, start + index));
      }
    },
  };
}
