import { Buffer } from "node:buffer";
import { closeSync, openSync, readSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { VlmR1Error } from "@vlmr1/core";
import { decodeUtf8, invalidData, unreadable, lfsPointer, openFile } from "@vlmr1/core/files";
import {
  type ArrowBatch,
  type ArrowColumn,
  type ArrowField,
  type BufferSpan,
  byteField,
  follow,
  longField,
  readBatch,
  readSchema,
  tableField,
} from "./arrow-messages.ts";
import type { TableFile, TableRow } from "./open-table.ts";

/**
 * Opens an Arrow IPC stream or file (Feather 2), as `datasets.save_to_disk` writes them. Only the messages' headers are read; a row is
 * read from disk when it is asked for, image bytes included, whatever the size of the file.
 * @throws VlmR1Error `not-found`, or `invalid-data` saying what is damaged or not supported.
 * @see https://arrow.apache.org/docs/format/Columnar.html
 */
export async function openArrowFile(path: string): Promise<TableFile> {
  const handle = await openFile(path);
  try {
    const { fields, batches } = await readMessages(handle);
    return arrowTable(path, fields, batches);
  } catch (cause) {
    throw damaged(path, cause);
  } finally {
    await handle.close();
  }
}

function damaged(path: string, cause: unknown): VlmR1Error {
  const problem = `this is no readable Arrow table: ${(cause as Error).message}`;
  return cause instanceof RangeError || cause instanceof TypeError
    ? invalidData({ file: path, problem, cause })
    : unreadable(path, cause);
}

const SCHEMA = 1;
const DICTIONARY_BATCH = 2;
const RECORD_BATCH = 3;
const LONGEST_HEADER = 1 << 28;
const MAGIC = "ARROW1";

interface Messages {
  readonly fields: readonly ArrowField[];
  readonly batches: readonly ArrowBatch[];
}

async function readMessages(handle: FileHandle): Promise<Messages> {
  const { size } = await handle.stat();
  let fields: readonly ArrowField[] | undefined;
  const batches: ArrowBatch[] = [];
  const head = await readAt(handle, 0, Math.min(64, size));
  const pointer = lfsPointer(head);
  if (pointer !== undefined) throw new RangeError(pointer);
  let position = head.toString("latin1", 0, 6) === MAGIC ? 8 : 0;
  while (position < size) {
    const prefix = await readAt(handle, position, 8);
    if (prefix.readUInt32LE(0) !== 0xffffffff)
      throw new RangeError(`no Arrow message begins at byte ${position}`);
    const headerLength = prefix.readInt32LE(4);
    if (headerLength === 0) break; // end of stream
    if (headerLength < 0 || headerLength > LONGEST_HEADER)
      throw new RangeError(`a message header of ${headerLength} bytes`);
    const header = await readAt(handle, position + 8, headerLength);
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const message = follow(view, 0);
    const body = { start: position + 8 + headerLength, length: longField(view, message, 3) };
    if (body.start + body.length > size)
      throw new RangeError("the file ends inside a record batch; it is cut off");
    const kind = byteField(view, message, 1);
    const content = tableField(view, message, 2);
    if (content === undefined) throw new RangeError("a message is empty");
    if (kind === SCHEMA) fields = readSchema(view, content);
    else if (kind === DICTIONARY_BATCH) throw new TypeError("dictionary-encoded columns are not supported");
    else if (kind === RECORD_BATCH) {
      if (fields === undefined) throw new RangeError("a record batch comes before the schema");
      batches.push(readBatch(view, content, fields, body));
    } else throw new RangeError(`a message of unknown kind ${kind}`);
    position = body.start + body.length;
  }
  if (fields === undefined) throw new RangeError("there is no schema; the file is empty or cut off");
  return { fields, batches };
}

async function readAt(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, start);
  if (bytesRead < length) throw new RangeError("the file ends inside a message; it is cut off");
  return bytes;
}

function arrowTable(path: string, fields: readonly ArrowField[], batches: readonly ArrowBatch[]): TableFile {
  const ends: number[] = [];
  let length = 0;
  for (const batch of batches) ends.push((length += batch.length));
  const columns = fields.map(({ name }) => name);
  return {
    path,
    length,
    columns,
    async row(index) {
      const position = ends.findIndex((end) => index < end);
      const batch = batches[position]!;
      return withSource(path, (source) =>
        rowOf(batch.columns, index - (ends[position]! - batch.length), source),
      );
    },
    async scan(wanted, visit) {
      let first = 0;
      for (const batch of batches) {
        const chosen = batch.columns.filter(({ field }) => wanted.includes(field.name));
        withSource(path, (source) => {
          const loaded = preload(chosen, source);
          for (let row = 0; row < batch.length; row++) visit(rowOf(chosen, row, loaded), first + row);
        });
        first += batch.length;
      }
    },
  };
}

function rowOf(columns: readonly ArrowColumn[], index: number, source: ByteSource): TableRow {
  return Object.fromEntries(columns.map((column) => [column.field.name, valueAt(column, index, source)]));
}

/** Opens the file for the time of `use`. Reads are synchronous: a row is a few small reads, and a promise each would cost more. */
function withSource<T>(path: string, use: (source: ByteSource) => T): T {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw unreadable(path, cause);
  }
  try {
    return use((start, length) => {
      const bytes = Buffer.allocUnsafe(length);
      const read = readSync(file, bytes, 0, length, start);
      if (read < length) throw new RangeError("the file has become shorter since it was opened");
      return bytes;
    });
  } catch (cause) {
    throw damaged(path, cause);
  } finally {
    closeSync(file);
  }
}

const LARGEST_PRELOAD = 1 << 26;

/** Reads small buffers of the columns whole, so that a scan does not read every value for itself. */
function preload(columns: readonly ArrowColumn[], source: ByteSource): ByteSource {
  const loaded: { readonly span: BufferSpan; readonly bytes: Buffer }[] = [];
  const load = ({ validity, offsets, data, children }: ArrowColumn): void => {
    for (const span of [validity, offsets, data]) {
      if (span !== undefined && span.length <= LARGEST_PRELOAD)
        loaded.push({ span, bytes: source(span.start, span.length) });
    }
    children.forEach(load);
  };
  columns.forEach(load);
  return (start, length) => {
    for (const { span, bytes } of loaded) {
      if (start >= span.start && start + length <= span.start + span.length)
        return bytes.subarray(start - span.start, start - span.start + length);
    }
    return source(start, length);
  };
}

/** Gives `length` bytes of the file from `start`. */
export type ByteSource = (start: number, length: number) => Buffer;

/**
 * The value of a column at `index`: null, boolean, number (bigint beyond 2^53), string, Uint8Array, Date, array, or an object of a struct's
 * members. Only the bytes of this value are asked from `source`.
 * @throws RangeError saying what is damaged.
 */
export function valueAt(column: ArrowColumn, index: number, source: ByteSource): unknown {
  const { field, length, validity } = column;
  if (index >= length)
    throw new RangeError(`column "${field.name}" has ${length} values, and ${index + 1} are needed`);
  if (validity !== undefined && !bitAt(validity, index, source)) return null;
  const { type } = field;
  switch (type.kind) {
    case "null":
      return null;
    case "bool":
      return bitAt(column.data!, index, source);
    case "int":
      return integerAt(bytesAt(column.data!, index, type.bits / 8, source), type.bits, type.signed);
    case "time":
      return dateAt(bytesAt(column.data!, index, type.bits / 8, source), type);
    case "float":
      return floatAt(bytesAt(column.data!, index, type.bits / 8, source), type.bits);
    case "fixed-bytes":
      return Uint8Array.from(bytesAt(column.data!, index, type.size, source));
    case "text":
    case "bytes":
      return textOrBytesAt(column, index, type, source);
    case "list": {
      const [start, end] = offsetsAt(column, index, type.large, column.children[0]!.length, source);
      return listAt(column.children[0]!, start, end, source);
    }
    case "fixed-list":
      return listAt(column.children[0]!, index * type.size, (index + 1) * type.size, source);
    case "struct": {
      const members = column.children.map(
        (child) => [child.field.name, valueAt(child, index, source)] as const,
      );
      return Object.fromEntries(members);
    }
  }
}

const LONGEST_VALUE = 1 << 30;
const LONGEST_LIST = 1 << 24;

function textOrBytesAt(
  column: ArrowColumn,
  index: number,
  { kind, large }: { readonly kind: "text" | "bytes"; readonly large: boolean },
  source: ByteSource,
): string | Uint8Array {
  const data = column.data!;
  const [start, end] = offsetsAt(column, index, large, data.length, source);
  if (end - start > LONGEST_VALUE)
    throw new RangeError(`a value of column "${column.field.name}" has ${end - start} bytes`);
  const bytes = source(data.start + start, end - start);
  if (kind === "bytes") return bytes;
  const text = decodeUtf8(bytes, 0, bytes.length);
  if (text === undefined) throw new RangeError(`text in column "${column.field.name}" is not UTF-8`);
  return text;
}

function listAt(child: ArrowColumn, start: number, end: number, source: ByteSource): unknown[] {
  if (end > child.length)
    throw new RangeError(`a list in column "${child.field.name}" reaches over its values`);
  if (end - start > LONGEST_LIST)
    throw new RangeError(`a list in column "${child.field.name}" has ${end - start} values`);
  return Array.from({ length: end - start }, (_, offset) => valueAt(child, start + offset, source));
}

function offsetsAt(
  column: ArrowColumn,
  index: number,
  large: boolean,
  limit: number,
  source: ByteSource,
): [number, number] {
  const width = large ? 8 : 4;
  const span = column.offsets!;
  if ((index + 2) * width > span.length) throw new RangeError(`column "${column.field.name}" lacks offsets`);
  const bytes = source(span.start + index * width, 2 * width);
  const start = large ? Number(bytes.readBigInt64LE(0)) : bytes.readInt32LE(0);
  const end = large ? Number(bytes.readBigInt64LE(8)) : bytes.readInt32LE(4);
  if (!(0 <= start && start <= end && end <= limit)) {
    throw new RangeError(`column "${column.field.name}" has offsets ${start} to ${end} of ${limit}`);
  }
  return [start, end];
}

function bytesAt(span: BufferSpan, index: number, width: number, source: ByteSource): Buffer {
  if ((index + 1) * width > span.length) throw new RangeError("a buffer is shorter than its column");
  return source(span.start + index * width, width);
}

function bitAt(span: BufferSpan, index: number, source: ByteSource): boolean {
  return ((bytesAt(span, index >> 3, 1, source)[0]! >> (index & 7)) & 1) === 1;
}

function integerAt(bytes: Buffer, bits: 8 | 16 | 32 | 64, signed: boolean): number | bigint {
  if (bits < 64) return signed ? bytes.readIntLE(0, bits / 8) : bytes.readUIntLE(0, bits / 8);
  const value = signed ? bytes.readBigInt64LE(0) : bytes.readBigUInt64LE(0);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** A day or a moment; finer than a millisecond, which a Date cannot be, is rounded down. */
function dateAt(
  bytes: Buffer,
  { bits, perMillisecond }: { readonly bits: 32 | 64; readonly perMillisecond: number },
): Date {
  const value = bits === 32 ? bytes.readInt32LE(0) : Number(bytes.readBigInt64LE(0));
  return new Date(Math.floor(value / perMillisecond));
}

function floatAt(bytes: Buffer, bits: 16 | 32 | 64): number {
  if (bits === 64) return bytes.readDoubleLE(0);
  if (bits === 32) return bytes.readFloatLE(0);
  const half = bytes.readUInt16LE(0);
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
