import { longAt, longField, tableField, vectorField } from "./flatbuffer.ts";
import type { ArrowField } from "./arrow-schema.ts";

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
    type.kind === "int" || type.kind === "float"
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
