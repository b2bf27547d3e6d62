import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { VlmR1Error } from "../error.ts";
import { CUT_OFF, MALFORMED, TOO_DEEP, skipSpace, skipString, skipValue, stringAt } from "./json-values.ts";
import { invalidData, lfsPointer, openFile, tooDeep } from "./read.ts";

/** The part of a file that is in memory. */
interface Window {
  readonly name: string;
  readonly handle: FileHandle;
  bytes: Buffer;
  /** First byte not yet read by the scan, and end of the bytes that are here. */
  start: number;
  end: number;
  /** Where in the file `bytes` begins. */
  origin: number;
}

/** Where the scan is, for element readers and their errors. */
export interface JsonElement {
  readonly file: string;
  /** The top-level member whose array this is; empty when the file itself is an array. */
  readonly key: string;
  /** 0 for the first element. */
  index: number;
  /** Where in the file `bytes` begins. */
  origin: number;
}

/** Reads the elements of one top-level array while they are in memory. */
export interface ArrayReader {
  /**
   * Reads the element that begins at `position` and returns the position behind it, or the negative result of a scan:
   * after `CUT_OFF` it is called again with more bytes.
   */
  element(bytes: Buffer, position: number, end: number, element: JsonElement): number;
  /** Called before the bytes of the elements read so far are overwritten, and at the array's end. */
  flush?(): void;
}

/** Bytes of the file that are in memory at first; a value that does not fit doubles it. */
const WINDOW = 1 << 20;
const LONGEST_ELEMENT = 1 << 28;
const BYTE_ORDER_MARK = 0xefbbbf;

/**
 * Streams a JSON file of any size through a window (a megabyte, unless `window` says otherwise): `readers[key]` is called for each element of the top-level array
 * `key`, `readers[""]` for each element of a file that is itself an array. Other members are passed over.
 * @throws VlmR1Error `not-found` for no such file, `invalid-data` with the place for malformed or truncated JSON.
 * @returns the number of elements of each array, by key.
 */
export async function scanJsonFile(
  path: string,
  readers: Readonly<Record<string, ArrayReader>>,
  { window: size = WINDOW }: { readonly window?: number } = {},
): Promise<Map<string, number>> {
  const handle = await openFile(path);
  try {
    const window: Window = {
      name: path,
      handle,
      bytes: Buffer.allocUnsafe(size),
      start: 0,
      end: 0,
      origin: 0,
    };
    return await scanRoot(window, readers);
  } finally {
    await handle.close();
  }
}

/**
 * Streams a JSON file like {@link scanJsonFile} and parses the elements: `takers[key]` gets those of the array `key` in
 * batches, in the file's order, so that memory stays at a few times the size of a window.
 *
 * @throws VlmR1Error as {@link scanJsonFile} does.
 * @returns the number of elements of each array, by key.
 */
export function scanJsonRecords(
  path: string,
  takers: Readonly<Record<string, (records: readonly unknown[]) => void>>,
  options: { readonly window?: number } = {},
): Promise<Map<string, number>> {
  const readers = Object.entries(takers).map(([key, take]) => [key, recordReader(take)] as const);
  return scanJsonFile(path, Object.fromEntries(readers), options);
}

/** Parses all elements of a window at once: a call of JSON.parse for each of a million would take most of the time. */
function recordReader(take: (records: readonly unknown[]) => void): ArrayReader {
  let batch:
    | { readonly bytes: Buffer; readonly start: number; end: number; readonly first: JsonElement }
    | undefined;
  return {
    element(bytes, position, end, element) {
      const next = skipValue(bytes, position, end);
      if (next < 0) return next;
      batch ??= { bytes, start: position, end: next, first: { ...element } };
      batch.end = next;
      return next;
    },
    flush() {
      if (batch === undefined) return;
      const { bytes, start, end, first } = batch;
      batch = undefined;
      let records: unknown[];
      try {
        records = JSON.parse(`[${bytes.toString("utf8", start, end)}]`) as unknown[];
      } catch (cause) {
        const problem = `this is no valid JSON: ${(cause as Error).message}`;
        throw invalidData({ file: first.file, place: `from ${placeOf(first)} on`, problem, cause });
      }
      take(records);
    },
  };
}

async function scanRoot(
  window: Window,
  readers: Readonly<Record<string, ArrayReader>>,
): Promise<Map<string, number>> {
  await fill(window);
  if (window.end >= 3 && window.bytes.readUIntBE(0, 3) === BYTE_ORDER_MARK) window.start = 3;
  const counts = new Map<string, number>();
  const first = await nextByte(window, "the JSON");
  if (first === 0x5b) counts.set("", await scanArray(window, "", readers[""]));
  else if (first === 0x7b) await scanObject(window, readers, counts);
  else {
    const pointer = lfsPointer(window.bytes.subarray(window.start, window.end));
    throw pointer === undefined
      ? broken(window, "the JSON", `a JSON object or array should begin here, found ${found(window)}`)
      : invalidData({ file: window.name, problem: pointer });
  }
  const rest = await peekByte(window);
  if (rest !== undefined)
    throw broken(window, "the end", `the JSON is complete, and ${found(window)} follows it`);
  return counts;
}

async function scanObject(
  window: Window,
  readers: Readonly<Record<string, ArrayReader>>,
  counts: Map<string, number>,
): Promise<void> {
  window.start++;
  for (let empty = true; ; empty = false) {
    let byte = await nextByte(window, "the object");
    if (byte === 0x7d && empty) break;
    if (byte !== 0x22)
      throw broken(window, "the object", `a member's name should begin here, found ${found(window)}`);
    const key = await readKey(window);
    byte = await nextByte(window, key);
    if (byte !== 0x3a) throw broken(window, key, `a colon should follow the name, found ${found(window)}`);
    window.start++;
    byte = await nextByte(window, key);
    if (byte === 0x5b) {
      if (counts.has(key) && Object.hasOwn(readers, key))
        throw broken(window, key, `"${key}" is there twice; merge the two`);
      counts.set(key, await scanArray(window, key, Object.hasOwn(readers, key) ? readers[key] : undefined));
    } else if (Object.hasOwn(readers, key)) {
      throw broken(window, key, `"${key}" should be an array, found ${found(window)}`);
    } else await advance(window, key, skipValue);
    byte = await nextByte(window, "the object");
    if (byte !== 0x2c && byte !== 0x7d)
      throw broken(window, key, `a comma or } should follow, found ${found(window)}`);
    if (byte === 0x7d) break;
    window.start++;
  }
  window.start++;
}

async function readKey(window: Window): Promise<string> {
  const length = await advance(window, "a name", skipString);
  const key = stringAt(window.bytes, window.start - length, window.start);
  if (key === undefined) throw broken(window, "a name", "a member's name is no valid string");
  return key;
}

/** Moves over one token, reading on until it is complete, and returns its length in bytes. */
async function advance(
  window: Window,
  place: string,
  scan: (bytes: Buffer, position: number, end: number) => number,
): Promise<number> {
  for (;;) {
    const next = scan(window.bytes, window.start, window.end);
    if (next === MALFORMED) throw broken(window, place, `a value should be here, found ${found(window)}`);
    if (next === TOO_DEEP) throw tooDeep(`${window.name}, ${place}`);
    if (next >= 0) {
      const length = next - window.start;
      window.start = next;
      return length;
    }
    await fillOrFail(window, place);
  }
}

/** An array that is being read: the element it is at, and whether that one is read and a comma or bracket must follow. */
interface ArrayScan {
  readonly element: JsonElement;
  behindElement: boolean;
}

async function scanArray(
  window: Window,
  key: string,
  reader: ArrayReader = { element: skipValue },
): Promise<number> {
  window.start++;
  const element: JsonElement = { file: window.name, key, index: 0, origin: window.origin };
  const scan: ArrayScan = { element, behindElement: false };
  for (;;) {
    const isComplete = drain(window, scan, reader);
    reader.flush?.();
    if (isComplete) return element.index;
    await fillOrFail(window, placeOf(element));
  }
}

/** Reads the elements that are complete in the window. True when the array has ended; false when more bytes are needed. */
function drain(window: Window, scan: ArrayScan, reader: ArrayReader): boolean {
  const { bytes, end } = window;
  const { element } = scan;
  element.origin = window.origin;
  for (;;) {
    const position = (window.start = skipSpace(bytes, window.start, end));
    if (position >= end) return false;
    const byte = bytes[position];
    if (byte === 0x5d && (scan.behindElement || element.index === 0)) {
      window.start = position + 1;
      return true;
    }
    if (scan.behindElement) {
      if (byte !== 0x2c)
        throw broken(
          window,
          `behind ${placeOf({ ...element, index: element.index - 1 })}`,
          `a comma or ] should follow, found ${found(window)}`,
        );
      window.start = position + 1;
      scan.behindElement = false;
      continue;
    }
    const next = reader.element(bytes, position, end, element);
    if (next === MALFORMED)
      throw broken(window, placeOf(element), `this is no valid JSON: ${excerpt(window)}`);
    if (next === TOO_DEEP) throw tooDeep(`${window.name}, ${placeOf(element)}`);
    if (next === CUT_OFF) return false;
    window.start = next;
    element.index++;
    scan.behindElement = true;
  }
}

/** `annotations[3]`, or `record 4` in a file that is an array. */
export function placeOf({ key, index }: { readonly key: string; readonly index: number }): string {
  return key === "" ? `record ${index + 1}` : `${key}[${index}]`;
}

async function nextByte(window: Window, place: string): Promise<number> {
  const byte = await peekByte(window);
  if (byte === undefined) throw broken(window, place, endsEarly(window));
  return byte;
}

async function peekByte(window: Window): Promise<number | undefined> {
  for (;;) {
    window.start = skipSpace(window.bytes, window.start, window.end);
    if (window.start < window.end) return window.bytes[window.start];
    if (!(await fill(window))) return undefined;
  }
}

async function fillOrFail(window: Window, place: string): Promise<void> {
  if (!(await fill(window))) throw broken(window, place, endsEarly(window));
}

function endsEarly(window: Window): string {
  return window.origin + window.end === 0
    ? "the file is empty"
    : "the file ends before this is complete; it is cut off";
}

/** Moves the unread bytes to the front and reads more behind them; false at the end of the file. */
async function fill(window: Window): Promise<boolean> {
  const unread = window.end - window.start;
  const { bytes } = window;
  if (unread > bytes.length / 2) {
    if (bytes.length >= LONGEST_ELEMENT) {
      throw new VlmR1Error(
        "limit",
        `${window.name}: one value is longer than ${LONGEST_ELEMENT} bytes. Split the file.`,
      );
    }
    window.bytes = Buffer.allocUnsafe(bytes.length * 2);
  }
  bytes.copy(window.bytes, 0, window.start, window.end);
  window.origin += window.start;
  window.start = 0;
  window.end = unread;
  const { bytesRead } = await window.handle.read(
    window.bytes,
    unread,
    window.bytes.length - unread,
    window.origin + unread,
  );
  window.end += bytesRead;
  return bytesRead > 0;
}

function broken(window: Window, place: string, problem: string): VlmR1Error {
  return invalidData({
    file: window.name,
    place: `${place} (byte ${window.origin + window.start})`,
    problem,
  });
}

function found(window: Window): string {
  if (window.start >= window.end) return "the end of the file";
  return JSON.stringify(window.bytes.toString("latin1", window.start, window.start + 1));
}

function excerpt(window: Window): string {
  return JSON.stringify(window.bytes.toString("utf8", window.start, Math.min(window.end, window.start + 80)));
}
