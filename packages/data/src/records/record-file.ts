import { Buffer } from "node:buffer";
import { VlmR1Error } from "@vlmr1/core";
import {
  decodeUtf8,
  invalidData,
  lfsPointer,
  openFile,
  parseJson,
  readRange,
  scanJsonFile,
  skipValue,
  unreadable,
} from "@vlmr1/core/files";

/** A file of JSON records of which only the places are in memory; a record is read from disk when it is asked for. */
export interface RecordFile {
  readonly path: string;
  readonly length: number;
  /** @throws VlmR1Error `invalid-data` when the record is malformed or the file has changed. */
  read(index: number): Promise<unknown>;
  /** Where record `index` is, for errors: `line 3` or `record 3`, from 1. */
  place(index: number): string;
}

/** Sees each record once, while the file is indexed; returning false leaves the record out. */
export type RecordVisitor = (record: unknown, place: string) => boolean;

/** What to do about a line or record that is no JSON; without it, the error is thrown. */
type BadRecord = (error: unknown) => void;

/**
 * Indexes a JSON Lines file (one record a line; blank lines are passed over) or, when its name ends in `.json`, a JSON array.
 *
 * Every record is parsed and shown to `visit` once, so that a malformed file is found out at once; after that 16 bytes a record stay.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming the line or record.
 */
export async function openRecordFile(
  path: string,
  visit: RecordVisitor,
  onBad?: BadRecord,
): Promise<RecordFile> {
  const isArray = path.endsWith(".json");
  const problem = otherForm(await readHead(path), isArray);
  if (problem !== undefined) throw invalidData({ file: path, problem });
  return isArray ? indexArray(path, visit, onBad) : indexLines(path, visit, onBad);
}

const headBytes = 1 << 16;

async function readHead(path: string): Promise<Buffer> {
  const handle = await openFile(path);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** What a file really is when it is not what its name says, with the way out; undefined when nothing is wrong. */
function otherForm(head: Buffer, isArray: boolean): string | undefined {
  const pointer = lfsPointer(head);
  if (pointer !== undefined) return pointer;
  const text = head
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .trimStart();
  if (!isArray && text.startsWith("[")) {
    return "this is one JSON array, and a .jsonl file has one record {…} a line. Rename it to .json";
  }
  const [first = "", second = ""] = text.split("\n", 2);
  if (isArray && first.trim().endsWith("}") && second.trimStart().startsWith("{") && isRecord(first)) {
    return "this is JSON Lines, one record {…} a line, and a .json file is one array [{…}, {…}]. Rename it to .jsonl";
  }
  return undefined;
}

function isRecord(line: string): boolean {
  try {
    return typeof JSON.parse(line) === "object";
  } catch {
    return false;
  }
}

async function indexArray(path: string, visit: RecordVisitor, onBad?: BadRecord): Promise<RecordFile> {
  const index = recordIndex(path, "record", visit, onBad);
  const counts = await scanJsonFile(path, {
    "": {
      element: (bytes, position, end, element) => {
        const next = skipValue(bytes, position, end);
        if (next < 0) return next;
        index.add({ bytes, start: position, end: next, origin: element.origin, ordinal: element.index + 1 });
        return next;
      },
    },
  });
  if (!counts.has("")) {
    throw invalidData({
      file: path,
      problem: "the file should be an array of records: [{…}, {…}]. One record a line is a .jsonl file",
    });
  }
  return index.file;
}

const CHUNK = 1 << 20;
const LONGEST_LINE = 1 << 28;

async function indexLines(path: string, visit: RecordVisitor, onBad?: BadRecord): Promise<RecordFile> {
  const index = recordIndex(path, "line", visit, onBad);
  const handle = await openFile(path);
  try {
    let bytes = Buffer.allocUnsafe(CHUNK);
    let kept = 0; // bytes of an unfinished line, at the front
    let origin = 0;
    let line = 1;
    for (;;) {
      if (kept === bytes.length) {
        if (kept >= LONGEST_LINE)
          throw new VlmR1Error("limit", `${path}, line ${line}: longer than ${LONGEST_LINE} bytes.`);
        bytes = Buffer.concat([bytes], bytes.length * 2);
      }
      const { bytesRead } = await handle.read(bytes, kept, bytes.length - kept, origin + kept);
      const end = kept + bytesRead;
      let start = origin === 0 && end >= 3 && bytes.readUIntBE(0, 3) === 0xefbbbf ? 3 : 0;
      for (let stop; (stop = lineStop(bytes, start, end, bytesRead === 0)) >= 0; line++) {
        index.add({ bytes, start, end: stop, origin, ordinal: line });
        start = stop + 1;
      }
      if (bytesRead === 0) return index.file;
      start = Math.min(start, end);
      bytes.copy(bytes, 0, start, end);
      kept = end - start;
      origin += start;
    }
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    await handle.close();
  }
}

/** The end of the line that begins at `start`: at its line feed, or at the end of the last bytes. -1 when there is none yet. */
function lineStop(bytes: Buffer, start: number, end: number, last: boolean): number {
  const stop = start < end ? bytes.subarray(0, end).indexOf(0x0a, start) : -1;
  return stop < 0 && last && start < end ? end : stop;
}

/** A record that is in memory now: bytes start..end of a chunk that begins at `origin` in the file. */
interface FoundRecord {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly origin: number;
  /** Line or record number, from 1. */
  readonly ordinal: number;
}

function recordIndex(path: string, unit: "line" | "record", visit: RecordVisitor, onBad?: BadRecord) {
  const starts: number[] = [];
  const ends: number[] = [];
  const ordinals: number[] = [];
  const add = ({ bytes, start, end, origin, ordinal }: FoundRecord): void => {
    if (isBlank(bytes, start, end)) return;
    const place = `${unit} ${ordinal}`;
    try {
      if (!visit(parseRecord(bytes, start, end, path, place), place)) return;
    } catch (error) {
      if (onBad === undefined) throw error;
      onBad(error);
      return;
    }
    starts.push(origin + start);
    ends.push(origin + end);
    ordinals.push(ordinal);
  };
  const place = (index: number): string => `${unit} ${ordinals[index]}`;
  const file: RecordFile = {
    path,
    get length() {
      return starts.length;
    },
    place,
    async read(index) {
      const bytes = await readRange(path, starts[index]!, ends[index]!);
      return parseRecord(bytes, 0, bytes.length, path, place(index));
    },
  };
  return { file, add };
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let position = start; position < end; position++) {
    const byte = bytes[position]!;
    if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false;
  }
  return true;
}

function parseRecord(bytes: Buffer, start: number, end: number, path: string, place: string): unknown {
  const text = decodeUtf8(bytes, start, end);
  if (text === undefined)
    throw invalidData({ file: path, place, problem: "the text is not UTF-8; save the file as UTF-8" });
  return parseJson(text, { file: path, place });
}
