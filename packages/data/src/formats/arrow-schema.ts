import {
  byteField,
  intField,
  shortField,
  stringField,
  tableField,
  vectorField,
  follow,
  fieldAt,
} from "./flatbuffer.ts";

/** How a column's values are laid out in buffers. */
export type ArrowType =
  | { readonly kind: "null" }
  | { readonly kind: "bool" }
  | { readonly kind: "int"; readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean }
  | { readonly kind: "float"; readonly bits: 16 | 32 | 64 }
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
      return integerType(shortField(view, table, 0, 1) === 0 ? 32 : 64, true, name);
    case 10: // Timestamp
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
