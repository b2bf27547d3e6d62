import type { Buffer } from "node:buffer";
import { decodeUtf8 } from "@vlmr1/core/files";
import type { ArrowColumn, BufferSpan } from "./arrow-batch.ts";

/** Gives `length` bytes of the file from `start`. */
export type ByteSource = (start: number, length: number) => Buffer;

/**
 * The value of a column at `index`: null, boolean, number (bigint beyond 2^53), string, Uint8Array, array, or an object of a struct's
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
