import { Buffer } from "node:buffer";
import { deepestJson } from "../json-depth.ts";
import { decodeUtf8 } from "./read.ts";

/**
 * Scanning JSON in place, without building objects. Every function takes bytes and a position and returns the position behind what
 * it read, `CUT_OFF` when the bytes end first (more may follow), `MALFORMED` or `TOO_DEEP`.
 */
export const CUT_OFF = -1;

/** What a scan returns where no JSON value can stand. */
export const MALFORMED = -2;

/** What a scan returns for brackets inside brackets beyond {@link deepestJson} levels. */
export const TOO_DEEP = -3;

// What each byte may begin or belong to, in an order that lets one comparison find the bytes that matter inside a value.
const SPACE = 0;
const SCALAR = 1;
const BETWEEN = 2;
const QUOTE = 3;
const OPEN = 4;
const CLOSE = 5;
const NOTHING = 6;

const KIND = new Uint8Array(256).fill(NOTHING);
for (const byte of Buffer.from(" \t\n\r")) KIND[byte] = SPACE;
for (const byte of Buffer.from("-+.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
  KIND[byte] = SCALAR;
}
for (const byte of Buffer.from(",:")) KIND[byte] = BETWEEN;
KIND[0x22] = QUOTE;
for (const byte of Buffer.from("[{")) KIND[byte] = OPEN;
for (const byte of Buffer.from("]}")) KIND[byte] = CLOSE;

/** Moves over white space; the result may be `end`. */
export function skipSpace(bytes: Buffer, position: number, end: number): number {
  while (position < end && KIND[bytes[position]!] === SPACE) position++;
  return position;
}

/** Moves over one value of any kind. Brackets are counted, not checked further: a value that is used is parsed in full. */
export function skipValue(bytes: Buffer, position: number, end: number): number {
  if (position >= end) return CUT_OFF;
  const kind = KIND[bytes[position]!];
  if (kind === QUOTE) return skipString(bytes, position, end);
  if (kind === SCALAR) return skipScalar(bytes, position, end);
  if (kind !== OPEN) return MALFORMED;
  return skipNested(bytes, position, end);
}

/** Up to here a nested value is read byte by byte; a longer one is worth a view of words. */
const SHORT_VALUE = 64;

function skipNested(bytes: Buffer, start: number, end: number): number {
  let depth = 0;
  let position = start;
  let words: Int32Array | undefined;
  for (;;) {
    if (words === undefined) {
      const stop = Math.min(end, start + SHORT_VALUE);
      while (position < stop && KIND[bytes[position]!]! < QUOTE) position++;
      if (position >= start + SHORT_VALUE) words = wordsOf(bytes);
    }
    if (words !== undefined) position = skipPlain(bytes, words, position, end);
    if (position >= end) return CUT_OFF;
    const kind = KIND[bytes[position]!];
    if (kind === OPEN) {
      if (++depth > deepestJson) return TOO_DEEP;
      position++;
    } else if (kind === CLOSE) {
      position++;
      if (--depth === 0) return position;
    } else if (kind === QUOTE) {
      position = skipString(bytes, position, end);
      if (position < 0) return position;
    } else return MALFORMED;
  }
}

/** The bytes as words of four, as many as are whole; none when they are not aligned. */
function wordsOf(bytes: Buffer): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0;
  return new Int32Array(bytes.buffer, aligned ? bytes.byteOffset : 0, aligned ? bytes.length >> 2 : 0);
}

/**
 * Moves to the next quote, bracket or stray byte. Files of annotations are mostly polygons, so four bytes at a time are looked at: a
 * word without a quote whose bytes are all below 0x40 is digits, commas, points and spaces, and nothing that matters here.
 */
function skipPlain(bytes: Buffer, words: Int32Array, start: number, end: number): number {
  let position = start;
  for (;;) {
    while (position % 4 !== 0 || position >> 2 >= words.length) {
      if (position >= end || KIND[bytes[position]!]! >= QUOTE) return position;
      position++;
    }
    let index = position >> 2;
    const last = Math.min(words.length, end >> 2);
    while (index < last && isPlain(words[index]!)) index++;
    position = index << 2;
    const stop = Math.min(end, position + 4);
    for (; position < stop; position++) if (KIND[bytes[position]!]! >= QUOTE) return position;
    if (position >= end) return position;
  }
}

function isPlain(word: number): boolean {
  const quotes = word ^ 0x22222222; // a byte of zeros where there is a quote
  return ((word & 0xc0c0c0c0) | ((quotes - 0x01010101) & ~quotes & 0x80808080)) === 0;
}

/** Moves over a string that begins at `position`. */
export function skipString(bytes: Buffer, position: number, end: number): number {
  for (position++; position < end; position++) {
    const byte = bytes[position]!;
    if (byte === 0x22) return position + 1;
    if (byte === 0x5c) position++;
    else if (byte < 0x20) return MALFORMED;
  }
  return CUT_OFF;
}

function skipScalar(bytes: Buffer, position: number, end: number): number {
  while (position < end && KIND[bytes[position]!] === SCALAR) position++;
  return position < end ? position : CUT_OFF;
}

/** The members of an object that are wanted, by name. */
export interface Fields {
  readonly names: readonly string[];
  readonly encoded: readonly Uint8Array[];
  /** After a scan: begin and end of each wanted member's value, -1 where it is absent. Overwritten by the next scan. */
  readonly spans: Int32Array;
}

/** Prepares a scan for the members with these names. */
export function fieldsOf(...names: string[]): Fields {
  const encoded = names.map((name) => new TextEncoder().encode(name));
  return { names, encoded, spans: new Int32Array(2 * names.length) };
}

/** Moves over the object at `position` and notes where the values of the wanted members lie. The last of equal names counts. */
export function locateFields(bytes: Buffer, position: number, end: number, fields: Fields): number {
  const { spans } = fields;
  spans.fill(-1);
  if (position >= end) return CUT_OFF;
  if (bytes[position] !== 0x7b) return MALFORMED;
  position = skipSpace(bytes, position + 1, end);
  if (bytes[position] === 0x7d && position < end) return position + 1;
  while (position < end) {
    if (bytes[position] !== 0x22) return MALFORMED;
    const keyEnd = skipString(bytes, position, end);
    if (keyEnd < 0) return keyEnd;
    const field = indexOfField(bytes, position + 1, keyEnd - 1, fields);
    position = skipSpace(bytes, keyEnd, end);
    if (position >= end) return CUT_OFF;
    if (bytes[position] !== 0x3a) return MALFORMED;
    const start = skipSpace(bytes, position + 1, end);
    position = skipValue(bytes, start, end);
    if (position < 0) return position;
    if (field >= 0) {
      spans[2 * field] = start;
      spans[2 * field + 1] = position;
    }
    position = skipSpace(bytes, position, end);
    if (position >= end) return CUT_OFF;
    if (bytes[position] === 0x7d) return position + 1;
    if (bytes[position] !== 0x2c) return MALFORMED;
    position = skipSpace(bytes, position + 1, end);
  }
  return CUT_OFF;
}

function indexOfField(bytes: Buffer, start: number, end: number, { encoded }: Fields): number {
  const length = end - start;
  for (let field = 0; field < encoded.length; field++) {
    const name = encoded[field]!;
    if (name.length !== length) continue;
    let index = 0;
    while (index < length && bytes[start + index] === name[index]) index++;
    if (index === length) return field;
  }
  return -1;
}

const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** The number in bytes start..end, correctly rounded; NaN when they are no JSON number. */
export function numberAt(bytes: Buffer, start: number, end: number): number {
  let position = start;
  const negative = bytes[position] === 0x2d;
  if (negative) position++;
  let mantissa = 0;
  let digits = 0;
  let decimals = -1;
  for (; position < end; position++) {
    const byte = bytes[position]!;
    if (byte >= 0x30 && byte <= 0x39) {
      mantissa = mantissa * 10 + byte - 0x30;
      digits++;
      if (decimals >= 0) decimals++;
    } else if (byte === 0x2e && decimals < 0 && digits > 0) decimals = 0;
    else return slowNumberAt(bytes, start, end);
  }
  const leadingZero = bytes[negative ? start + 1 : start] === 0x30 && digits > 1 && digits !== decimals + 1;
  if (digits === 0 || digits > 15 || decimals === 0 || leadingZero) return slowNumberAt(bytes, start, end);
  // Up to 15 digits and 10^22 are exact doubles, so one division rounds once: the nearest double, as JSON.parse gives.
  const value = decimals > 0 ? mantissa / POWERS_OF_TEN[decimals]! : mantissa;
  return negative ? -value : value;
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function slowNumberAt(bytes: Buffer, start: number, end: number): number {
  const text = end - start > 400 ? "" : bytes.toString("latin1", start, end);
  return JSON_NUMBER.test(text) ? Number(text) : Number.NaN;
}

/** The four numbers of an array `[a, b, c, d]` written into `into`; false when it is anything else. */
export function fourNumbersAt(bytes: Buffer, start: number, end: number, into: Float64Array): boolean {
  if (bytes[start] !== 0x5b) return false;
  let position = start + 1;
  for (let index = 0; index < 4; index++) {
    position = skipSpace(bytes, position, end);
    const numberEnd = skipScalar(bytes, position, end);
    if (numberEnd <= position) return false;
    into[index] = numberAt(bytes, position, numberEnd);
    if (Number.isNaN(into[index])) return false;
    position = skipSpace(bytes, numberEnd, end);
    if (bytes[position] !== (index < 3 ? 0x2c : 0x5d)) return false;
    position++;
  }
  return position === end;
}

/** The string in bytes start..end, quotes included; undefined when they are no JSON string or not UTF-8. */
export function stringAt(bytes: Buffer, start: number, end: number): string | undefined {
  if (bytes[start] !== 0x22) return undefined;
  const text = decodeUtf8(bytes, start + 1, end - 1);
  if (text === undefined || !text.includes("\\")) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return undefined;
  }
}
