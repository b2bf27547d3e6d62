import { Buffer } from "node:buffer";
import { VlmR1Error } from "@vlmr1/core";
import { invalidData, readRange, unreadable, lfsPointer, openFile } from "@vlmr1/core/files";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { TableFile, TableRow } from "./open-table.ts";

/** Decoded row groups are kept up to this size, so that neighbouring rows cost one decoding. */
const LARGEST_CACHE = 1 << 28;
const LARGEST_GROUP = 2 ** 31;
const DEEPEST = 50;

/** A run of rows that parquet stores, compresses and decodes together. */
interface RowGroup {
  readonly start: number;
  readonly end: number;
  /** Uncompressed, in bytes. */
  readonly size: number;
}

/**
 * Opens a parquet file. Only its footer is read; a row is decoded with its row group, of which the last ones stay in memory.
 *
 * Reading in random order decodes a row group for nearly each row: shuffle blocks, or save such data with `save_to_disk`.
 * @throws VlmR1Error `not-found`, `limit` for row groups of more than 2 GB, `invalid-data` saying what is damaged.
 */
export async function openParquetFile(path: string): Promise<TableFile> {
  const file = await openBuffer(path);
  const head = Buffer.from(await file.slice(0, Math.min(file.byteLength, 64)));
  if (head.length === 0) {
    throw invalidData({ file: path, problem: "the file is empty (0 bytes); fetch or export it again" });
  }
  const pointer = lfsPointer(head);
  if (pointer !== undefined) throw invalidData({ file: path, problem: pointer });
  // Any field of a damaged footer may be missing or of another type, so looking at it is decoding, too.
  const { metadata, groups, columns } = await decoding(path, async () => {
    const found = await parquetMetadataAsync(file, { geoparquet: false });
    return { metadata: found, ...checkMetadata(path, found, file.byteLength) };
  });
  const length = groups.at(-1)?.end ?? 0;
  const read = ({ start, end }: RowGroup, wanted: readonly string[]): Promise<TableRow[]> =>
    decoding(path, async () => {
      const rows = await parquetReadObjects({
        file,
        metadata,
        columns: [...wanted],
        rowStart: start,
        rowEnd: end,
        compressors,
        utf8: false,
        geoparquet: false,
      });
      if (rows.length !== end - start)
        throw new RangeError(`rows ${start} to ${end} are ${rows.length} rows`);
      return rows.map((row) => plainValue(row) as TableRow);
    });
  const cached = groupCache((group) => read(group, columns));
  return {
    path,
    length,
    columns,
    async row(index) {
      const group = groups.find(({ end }) => index < end)!;
      return (await cached(group))[index - group.start]!;
    },
    async scan(wanted, visit) {
      for (const group of groups) {
        const rows = await read(group, wanted);
        for (const [offset, row] of rows.entries()) visit(row, group.start + offset);
      }
    },
  };
}

async function openBuffer(path: string): Promise<AsyncBuffer> {
  try {
    const handle = await openFile(path);
    try {
      const { size } = await handle.stat();
      const slice = (start: number, end = size): Promise<ArrayBuffer> => {
        const bytes = readSlice(path, start < 0 ? Math.max(0, size + start) : start, end, size);
        // hyparquet asks for all columns at once; when one fails it waits for no other, and their errors must not end the process.
        bytes.catch(() => undefined);
        return bytes;
      };
      return { byteLength: size, slice };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function readSlice(path: string, start: number, end: number, size: number): Promise<ArrayBuffer> {
  if (!(start <= end && end <= size))
    throw new RangeError(`bytes ${start} to ${end} of ${size} are asked for`);
  const bytes = await readRange(path, start, end);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
}

async function decoding<T>(path: string, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (cause) {
    if (VlmR1Error.is(cause)) throw cause;
    throw invalidData({
      file: path,
      problem: `this is no readable parquet file: ${(cause as Error).message}`,
      cause,
    });
  }
}

function checkMetadata(
  path: string,
  metadata: FileMetaData,
  fileSize: number,
): { groups: RowGroup[]; columns: string[] } {
  const wrong = (problem: string): VlmR1Error =>
    invalidData({ file: path, problem: `this is no readable parquet file: ${problem}` });
  const { leaves, columns } = schemaPaths(metadata, wrong);
  const groups: RowGroup[] = [];
  let start = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows);
    const chunks = group.columns.map(({ meta_data: chunk }) => chunk);
    let size = 0;
    if (chunks.length !== leaves.length)
      throw wrong(`row group ${index} has ${chunks.length} columns instead of ${leaves.length}`);
    for (const [leaf, chunk] of chunks.entries()) {
      if (!Array.isArray(chunk?.path_in_schema) || chunk.path_in_schema.join(".") !== leaves[leaf])
        throw wrong(`row group ${index} lacks the column ${leaves[leaf]}`);
      const compressed = Number(chunk.total_compressed_size);
      const first = Number(chunk.dictionary_page_offset ?? chunk.data_page_offset);
      if (!(first >= 0 && compressed >= 0 && first + compressed <= fileSize))
        throw wrong(`row group ${index} reaches over the file's end`);
      size += Math.max(0, Number(chunk.total_uncompressed_size));
    }
    // A value takes at least a bit, so no honest group has more rows than its bytes have bits.
    if (!(rows >= 0 && rows <= Math.max(1, size) * 64)) throw wrong(`row group ${index} claims ${rows} rows`);
    if (size > LARGEST_GROUP)
      throw new VlmR1Error(
        "limit",
        `${path}: row group ${index} has ${size} bytes; at most ${LARGEST_GROUP} are read.`,
      );
    groups.push({ start, end: start + rows, size });
    start += rows;
  }
  if (start !== Number(metadata.num_rows))
    throw wrong(`it claims ${metadata.num_rows} rows, and its row groups have ${start}`);
  return { groups, columns };
}

/** The names of the top-level columns, and the paths of the leaves, which is what every row group must have in this order. */
function schemaPaths(
  { schema }: FileMetaData,
  wrong: (problem: string) => VlmR1Error,
): { leaves: string[]; columns: string[] } {
  const columns: string[] = [];
  const leaves: string[] = [];
  let position = 1; // schema[0] is the root, then the tree in depth-first order
  const visit = (parents: readonly string[]): void => {
    const element = schema[position++];
    if (element === undefined || parents.length > DEEPEST) throw wrong("its schema is damaged");
    const path = [...parents, element.name];
    const children = element.num_children ?? 0;
    if (children === 0) leaves.push(path.join("."));
    for (let child = 0; child < children; child++) visit(path);
  };
  while (position < schema.length) {
    columns.push(schema[position]!.name);
    visit([]);
  }
  if (new Set(columns).size < columns.length || columns.length !== schema[0]?.num_children)
    throw wrong("its schema is damaged");
  return { leaves, columns };
}

function groupCache(read: (group: RowGroup) => Promise<TableRow[]>) {
  const cache = new Map<RowGroup, Promise<TableRow[]>>();
  return (group: RowGroup): Promise<TableRow[]> => {
    const rows = cache.get(group) ?? read(group);
    cache.delete(group); // and set again: the order of a Map is the order of use
    cache.set(group, rows);
    rows.catch(() => cache.delete(group));
    let size = 0;
    for (const { size: bytes } of cache.keys()) size += bytes;
    for (const oldest of cache.keys()) {
      if (size <= LARGEST_CACHE || oldest === group) break;
      cache.delete(oldest);
      size -= oldest.size;
    }
    return rows;
  };
}

/** 64-bit integers arrive as bigint; those that a number holds become numbers, in lists and structs too. */
function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value === undefined) return null;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || value instanceof Date)
    return value;
  if (Array.isArray(value)) return value.map(plainValue);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plainValue(member)]));
}
