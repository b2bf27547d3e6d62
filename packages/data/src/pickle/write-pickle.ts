import { Buffer } from "node:buffer";
import { VlmR1Error } from "@vlmr1/core";

/** What a pickle of plain data can be written from; objects and Maps become `dict`, arrays `list`, whole numbers `int`. */
export type Picklable =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Picklable[]
  | ReadonlyMap<Picklable, Picklable>
  | { readonly [key: string]: Picklable };

const BATCH = 1000;
const DEEPEST = 500;

interface Output {
  bytes: Buffer;
  length: number;
  /** Memo index of every string written once, so that the thousand copies of a key share one object, as in Python. */
  readonly strings: Map<string, number>;
  depth: number;
}

/**
 * Writes plain data as a pickle of protocol 2, which Python 2 and Python 3 both load: `refs(unc).p` of RefCOCO is such a file.
 * @throws VlmR1Error `invalid-argument` for values that are no plain data (undefined, functions, class instances, cycles).
 */
export function writePickle(value: Picklable): Uint8Array {
  const output: Output = { bytes: Buffer.allocUnsafe(1 << 16), length: 0, strings: new Map(), depth: 0 };
  put(output, [0x80, 2]);
  writeValue(output, value);
  put(output, [0x2e]);
  return new Uint8Array(output.bytes.subarray(0, output.length));
}

function writeValue(output: Output, value: Picklable): void {
  if (value === null) put(output, [0x4e]);
  else if (typeof value === "boolean") put(output, [value ? 0x88 : 0x89]);
  else if (typeof value === "number") writeNumber(output, value);
  else if (typeof value === "bigint") writeLong(output, value);
  else if (typeof value === "string") writeString(output, value);
  else if (typeof value === "object" && value !== undefined) writeContainer(output, value);
  else throw notPlain(typeof value);
}

function writeContainer(
  output: Output,
  value: Exclude<Picklable, null | boolean | number | bigint | string>,
): void {
  if (++output.depth > DEEPEST) throw notPlain(`a value nested more than ${DEEPEST} deep, or a cycle`);
  if (Array.isArray(value)) writeList(output, value);
  else if (value instanceof Map) writeDict(output, [...value]);
  else if (isPlainObject(value)) writeDict(output, Object.entries(value));
  else throw notPlain(`an instance of ${Object.getPrototypeOf(value)?.constructor?.name ?? "a class"}`);
  output.depth--;
}

function isPlainObject(value: object): value is Record<string, Picklable> {
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
}

function writeNumber(output: Output, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    reserve(output, 9);
    output.bytes[output.length] = 0x47; // BINFLOAT
    output.bytes.writeDoubleBE(value, output.length + 1);
    output.length += 9;
  } else if (value >= 0 && value < 0x100) put(output, [0x4b, value]);
  else if (value >= 0 && value < 0x10000) put(output, [0x4d, value & 0xff, value >> 8]);
  else if (value >= -0x80000000 && value <= 0x7fffffff) putInt32(output, 0x4a, value);
  else writeLong(output, BigInt(value));
}

function writeLong(output: Output, value: bigint): void {
  const bytes: number[] = [];
  let rest = value;
  // Two's complement, little endian, as few bytes as keep the sign.
  do {
    bytes.push(Number(rest & 0xffn));
    rest >>= 8n;
  } while (!(rest === 0n && bytes.at(-1)! < 0x80) && !(rest === -1n && bytes.at(-1)! >= 0x80));
  if (bytes.length > 255) throw notPlain(`an integer of ${bytes.length} bytes`);
  put(output, [0x8a, bytes.length, ...bytes]); // LONG1
}

function writeString(output: Output, value: string): void {
  const index = output.strings.get(value);
  if (index !== undefined) {
    if (index < 0x100) put(output, [0x68, index]); // BINGET
    else putInt32(output, 0x6a, index); // LONG_BINGET
    return;
  }
  const size = Buffer.byteLength(value);
  putInt32(output, 0x58, size); // BINUNICODE
  reserve(output, size);
  output.bytes.write(value, output.length, "utf8");
  output.length += size;
  const next = output.strings.size;
  output.strings.set(value, next);
  if (next < 0x100) put(output, [0x71, next]); // BINPUT
  else putInt32(output, 0x72, next); // LONG_BINPUT
}

function writeList(output: Output, values: readonly Picklable[]): void {
  put(output, [0x5d]); // EMPTY_LIST
  for (let start = 0; start < values.length; start += BATCH) {
    put(output, [0x28]); // MARK
    for (const value of values.slice(start, start + BATCH)) writeValue(output, value);
    put(output, [0x65]); // APPENDS
  }
}

function writeDict(output: Output, entries: readonly (readonly [Picklable, Picklable])[]): void {
  put(output, [0x7d]); // EMPTY_DICT
  for (let start = 0; start < entries.length; start += BATCH) {
    put(output, [0x28]); // MARK
    for (const [key, value] of entries.slice(start, start + BATCH)) {
      writeValue(output, key);
      writeValue(output, value);
    }
    put(output, [0x75]); // SETITEMS
  }
}

function put(output: Output, bytes: readonly number[]): void {
  reserve(output, bytes.length);
  for (const byte of bytes) output.bytes[output.length++] = byte;
}

function putInt32(output: Output, opcode: number, value: number): void {
  reserve(output, 5);
  output.bytes[output.length] = opcode;
  output.bytes.writeInt32LE(value, output.length + 1);
  output.length += 5;
}

function reserve(output: Output, count: number): void {
  if (output.length + count <= output.bytes.length) return;
  const larger = Buffer.allocUnsafe(Math.max(output.bytes.length * 2, output.length + count));
  output.bytes.copy(larger, 0, 0, output.length);
  output.bytes = larger;
}

function notPlain(found: string): VlmR1Error {
  return new VlmR1Error(
    "invalid-argument",
    `writePickle writes null, booleans, numbers, bigints, strings, arrays, Maps and plain objects, got ${found}.`,
  );
}
