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
