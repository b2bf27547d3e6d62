/** How a column's values are laid out in buffers. */
export type ArrowType =
  | { readonly kind: "null" }
  | { readonly kind: "bool" }
  | { readonly kind: "int"; readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean }
  | { readonly kind: "float"; readonly bits: 16 | 32 | 64 }
  /** A date or timestamp: a signed integer in steps of which so many are a millisecond. */
  | { readonly kind: "time"; readonly bits: 32 | 64; readonly perMillisecond: number }
  | { readonly kind: "text" | "bytes"; readonly large: boolean }
  | { readonly kind: "list"; readonly large: boolean }
  | { readonly kind: "fixed-list"; readonly size: number }
  | { readonly kind: "fixed-bytes"; readonly size: number }
  | { readonly kind: "struct" };

/** A column, or a part of a nested one. */
export interface ArrowField {
  readonly name: string;
  readonly type: ArrowType;
  readonly children: readonly ArrowField[];
}

const DEEPEST = 20;
const MOST_FIELDS = 10_000;

/**
 * Reads the fields of a Schema message at `schema`.
 * @throws RangeError or TypeError saying what is damaged or not supported.
 * @see https://github.com/apache/arrow/blob/main/format/Schema.fbs
 */
export function readSchema(view: DataView, schema: number): readonly ArrowField[] {
  if (shortField(view, schema, 0) !== 0) throw new TypeError("big-endian Arrow data are not supported");
  const budget = { fields: MOST_FIELDS };
  return readFields(view, schema, 1, DEEPEST, budget);
}

function readFields(
  view: DataView,
  table: number,
  field: number,
  depth: number,
  budget: { fields: number },
): ArrowField[] {
  const { length, start } = vectorField(view, table, field, 4);
  budget.fields -= length;
  if (depth === 0 || budget.fields < 0)
    throw new RangeError("the schema is nested too deeply or has too many fields");
  return Array.from({ length }, (_, index) => {
    const position = follow(view, start + 4 * index);
    const name = stringField(view, position, 0);
    if (fieldAt(view, position, 4) !== 0)
      throw new TypeError(`column "${name}" is dictionary-encoded, which is not supported`);
    const children = readFields(view, position, 5, depth - 1, budget);
    const type = readType(view, position, name);
    checkChildren(type, children.length, name);
    return { name, type, children };
  });
}

function readType(view: DataView, field: number, name: string): ArrowType {
  const code = byteField(view, field, 2);
  const table = tableField(view, field, 3);
  if (table === undefined) throw new RangeError(`column "${name}" has no type`);
  switch (code) {
    case 1:
      return { kind: "null" };
    case 2:
      return integerType(intField(view, table, 0), byteField(view, table, 1) !== 0, name);
    case 3:
      return { kind: "float", bits: ([16, 32, 64] as const)[shortField(view, table, 0)] ?? 64 };
    case 4:
    case 19:
      return { kind: "bytes", large: code === 19 };
    case 5:
    case 20:
      return { kind: "text", large: code === 20 };
    case 6:
      return { kind: "bool" };
    case 8: // Date: days in 32 bits, or milliseconds in 64
      return shortField(view, table, 0, 1) === 0
        ? { kind: "time", bits: 32, perMillisecond: 1 / 86_400_000 }
        : { kind: "time", bits: 64, perMillisecond: 1 };
    case 10: // Timestamp in seconds, milliseconds, microseconds or nanoseconds
      return { kind: "time", bits: 64, perMillisecond: 1000 ** (shortField(view, table, 0) - 1) };
    case 18: // Duration
      return integerType(64, true, name);
    case 12:
    case 17: // Map: a list of key-value structs
    case 21:
      return { kind: "list", large: code === 21 };
    case 13:
      return { kind: "struct" };
    case 15:
      return { kind: "fixed-bytes", size: size(intField(view, table, 0), name) };
    case 16:
      return { kind: "fixed-list", size: size(intField(view, table, 0), name) };
    default:
      throw new TypeError(`column "${name}" has Arrow type ${code}, which is not supported`);
  }
}

function integerType(bits: number, signed: boolean, name: string): ArrowType {
  if (bits === 8 || bits === 16 || bits === 32 || bits === 64) return { kind: "int", bits, signed };
  throw new RangeError(`column "${name}" has integers of ${bits} bits`);
}

function size(value: number, name: string): number {
  if (value >= 0 && value < 1 << 24) return value;
  throw new RangeError(`column "${name}" has values of size ${value}`);
}

function checkChildren(type: ArrowType, count: number, name: string): void {
  const wanted = type.kind === "list" || type.kind === "fixed-list" ? 1 : type.kind === "struct" ? count : 0;
  if (count !== wanted) throw new RangeError(`column "${name}" has ${count} children instead of ${wanted}`);
}

/** Bytes of one buffer, from the file's begin. */
export interface BufferSpan {
  readonly start: number;
  readonly length: number;
}

/** One column of one record batch: where its buffers lie. */
export interface ArrowColumn {
  readonly field: ArrowField;
  readonly length: number;
  /** One bit a value, 1 for present; absent when no value is null. */
  readonly validity?: BufferSpan;
  /** Offsets of lists, text and bytes. */
  readonly offsets?: BufferSpan;
  /** The values, for all but lists and structs. */
  readonly data?: BufferSpan;
  readonly children: readonly ArrowColumn[];
}

/** One record batch: some rows of every column. */
export interface ArrowBatch {
  readonly length: number;
  readonly columns: readonly ArrowColumn[];
}

/**
 * Reads a RecordBatch message: `batch` is its table, `bodyStart` and `bodyLength` say where its buffers are in the file.
 * @throws RangeError or TypeError saying what is damaged or not supported.
 * @see https://github.com/apache/arrow/blob/main/format/Message.fbs
 */
export function readBatch(
  view: DataView,
  batch: number,
  fields: readonly ArrowField[],
  body: BufferSpan,
): ArrowBatch {
  if (tableField(view, batch, 3) !== undefined)
    throw new TypeError("compressed Arrow buffers are not supported; save without compression");
  const cursor: LayoutCursor = {
    view,
    body,
    nodes: vectorField(view, batch, 1, 16),
    buffers: vectorField(view, batch, 2, 16),
    node: 0,
    buffer: 0,
  };
  const length = longField(view, batch, 0);
  const columns = fields.map((field) => readColumn(cursor, field));
  for (const column of columns) {
    if (column.length !== length)
      throw new RangeError(`column "${column.field.name}" has ${column.length} rows instead of ${length}`);
  }
  return { length, columns };
}

interface LayoutCursor {
  readonly view: DataView;
  readonly body: BufferSpan;
  readonly nodes: { readonly start: number; readonly length: number };
  readonly buffers: { readonly start: number; readonly length: number };
  node: number;
  buffer: number;
}

function readColumn(cursor: LayoutCursor, field: ArrowField): ArrowColumn {
  const { view, nodes } = cursor;
  if (cursor.node >= nodes.length) throw new RangeError(`column "${field.name}" is missing in a batch`);
  const node = nodes.start + 16 * cursor.node++;
  const length = longAt(view, node);
  const nulls = longAt(view, node + 8);
  const { kind } = field.type;
  if (kind === "null") {
    const column = { field, length, children: [] };
    checkLengths(column);
    return column;
  }
  const validitySpan = nextBuffer(cursor, field);
  const validity = nulls > 0 && validitySpan.length > 0 ? { validity: validitySpan } : {};
  const hasOffsets = kind === "text" || kind === "bytes" || kind === "list";
  const offsets = hasOffsets ? { offsets: nextBuffer(cursor, field) } : {};
  const nested = kind === "list" || kind === "fixed-list" || kind === "struct";
  const data = nested ? {} : { data: nextBuffer(cursor, field) };
  const children = field.children.map((child) => readColumn(cursor, child));
  const column = { field, length, ...validity, ...offsets, ...data, children };
  checkLengths(column);
  return column;
}

/** Columns without bytes of their own could claim any number of rows. */
const MOST_EMPTY_ROWS = 1 << 24;

/** Checks that a column's buffers hold as many values as it claims, so that no later loop is longer than the file. */
function checkLengths({ field, length, validity, offsets, data }: ArrowColumn): void {
  const { type } = field;
  const short = (span: BufferSpan | undefined, bytes: number): boolean =>
    span !== undefined && span.length < bytes;
  const width =
    type.kind === "int" || type.kind === "float" || type.kind === "time"
      ? type.bits / 8
      : type.kind === "fixed-bytes"
        ? type.size
        : 0;
  const offsetWidth = "large" in type && type.large ? 8 : 4;
  const tooShort =
    short(validity, Math.ceil(length / 8)) ||
    (length > 0 && short(offsets, (length + 1) * offsetWidth)) ||
    short(data, type.kind === "bool" ? Math.ceil(length / 8) : length * width) ||
    (width === 0 && offsets === undefined && type.kind !== "bool" && length > MOST_EMPTY_ROWS);
  if (tooShort)
    throw new RangeError(`column "${field.name}" claims ${length} rows, and its buffers hold fewer`);
}

function nextBuffer(cursor: LayoutCursor, field: ArrowField): BufferSpan {
  const { view, buffers, body } = cursor;
  if (cursor.buffer >= buffers.length) throw new RangeError(`column "${field.name}" lacks a buffer`);
  const position = buffers.start + 16 * cursor.buffer++;
  const offset = longAt(view, position);
  const length = longAt(view, position + 8);
  if (offset + length > body.length)
    throw new RangeError(`a buffer of column "${field.name}" reaches over its batch`);
  return { start: body.start + offset, length };
}

/**
 * Reading FlatBuffers tables without generated code. Positions are absolute in the view; every access is bounds-checked by DataView,
 * whose RangeError the caller turns into its own error.
 * @see https://flatbuffers.dev/internals/
 */

/** Position of field `field` of the table at `table`, or 0 when it is absent. */
export function fieldAt(view: DataView, table: number, field: number): number {
  const vtable = table - view.getInt32(table, true);
  const entry = 4 + 2 * field;
  if (entry + 2 > view.getUint16(vtable, true)) return 0;
  const offset = view.getUint16(vtable + entry, true);
  return offset === 0 ? 0 : table + offset;
}

/** Follows the reference at `position` to a table, vector or string. */
export function follow(view: DataView, position: number): number {
  return position + view.getUint32(position, true);
}

/** The table that field `field` refers to, or undefined. */
export function tableField(view: DataView, table: number, field: number): number | undefined {
  const position = fieldAt(view, table, field);
  return position === 0 ? undefined : follow(view, position);
}

/** A vector's length and the position of its first element. */
export interface VectorSpan {
  readonly length: number;
  readonly start: number;
}

/** The vector of field `field`, empty when absent. @throws RangeError when it is longer than the buffer. */
export function vectorField(view: DataView, table: number, field: number, elementSize: number): VectorSpan {
  const position = tableField(view, table, field);
  if (position === undefined) return { length: 0, start: 0 };
  const length = view.getUint32(position, true);
  if (length * elementSize > view.byteLength - position) {
    throw new RangeError(`a vector of ${length} elements is longer than the message`);
  }
  return { length, start: position + 4 };
}

/** A signed byte field, or its default. */
export function byteField(view: DataView, table: number, field: number, otherwise = 0): number {
  const position = fieldAt(view, table, field);
  return position === 0 ? otherwise : view.getInt8(position);
}

/** A 16-bit field, or its default. */
export function shortField(view: DataView, table: number, field: number, otherwise = 0): number {
  const position = fieldAt(view, table, field);
  return position === 0 ? otherwise : view.getInt16(position, true);
}

/** A 32-bit field, or its default. */
export function intField(view: DataView, table: number, field: number, otherwise = 0): number {
  const position = fieldAt(view, table, field);
  return position === 0 ? otherwise : view.getInt32(position, true);
}

/** A 64-bit field as a number, or 0. @throws RangeError when it is negative or no safe integer. */
export function longField(view: DataView, table: number, field: number): number {
  const position = fieldAt(view, table, field);
  return position === 0 ? 0 : longAt(view, position);
}

/** A 64-bit count or offset at `position`. @throws RangeError when it is negative or no safe integer. */
export function longAt(view: DataView, position: number): number {
  const value = Number(view.getBigInt64(position, true));
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`${value} is no possible length`);
}

/** A string field, empty when absent. */
export function stringField(view: DataView, table: number, field: number): string {
  const { length, start } = vectorField(view, table, field, 1);
  return new TextDecoder("utf-8", { fatal: true }).decode(
    new Uint8Array(view.buffer, view.byteOffset + start, length),
  );
}
