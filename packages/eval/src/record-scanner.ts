import { VlmR1Error } from "@vlmr1/core";

/** Consecutive elements of one array of a JSON text. */
export interface RecordBatch {
  /** The member of the top object that the array is, or "" when the text itself is an array. */
  readonly member: string;
  readonly records: readonly unknown[];
}

/** Takes JSON text piece by piece and gives back the records that are complete. */
export interface RecordScanner {
  push(piece: Buffer): RecordBatch[];
  /** @throws VlmR1Error `invalid-data` when the text stopped early. */
  end(): void;
}

/** Where a scan stands. Offsets are into `bytes`. */
interface Scan {
  readonly source: string;
  readonly members: readonly string[];
  /** Text that is not used up. */
  bytes: Buffer;
  position: number;
  depth: number;
  /** Start of the string that `position` is in, or -1. */
  stringStart: number;
  topIsObject: boolean;
  /** The last string directly inside the top object, quotes included: the key, when a value opens. */
  key: string;
  /** The array whose elements are being collected. */
  member: string | undefined;
  batchStart: number;
  /** The last comma between two elements, or -1. */
  batchEnd: number;
  /** Elements of the array given back so far. */
  given: number;
  batches: RecordBatch[];
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];
const isStructural = new Uint8Array(256);
for (const byte of [quote, comma, openBracket, closeBracket, openBrace, closeBrace]) isStructural[byte] = 1;

/**
 * Splits a JSON text of any size into records: the elements of the arrays that are the named `members` of the top
 * object, or of the top array itself (`[""]`). Brackets and strings are followed by hand and records parsed by
 * `JSON.parse` in batches, so that memory stays at a few times the size of a piece. Members that are not named are
 * passed over unread.
 *
 * @throws VlmR1Error `invalid-data` (its methods do) naming `source` and the record.
 */
export function createRecordScanner(source: string, members: readonly string[]): RecordScanner {
  const scan: Scan = {
    source,
    members,
    bytes: Buffer.alloc(0),
    position: 0,
    depth: 0,
    stringStart: -1,
    topIsObject: false,
    key: "",
    member: undefined,
    batchStart: 0,
    batchEnd: -1,
    given: 0,
    batches: [],
  };
  let started = false;
  return {
    push(piece) {
      scan.batches = [];
      scan.bytes = scan.bytes.length > 0 ? Buffer.concat([scan.bytes, piece]) : piece;
      scanOn(scan);
      started ||= scan.depth > 0 || scan.batches.length > 0;
      if (scan.batchEnd >= 0) takeBatch(scan, scan.batchEnd);
      dropUsed(scan);
      return scan.batches;
    },
    end() {
      if (!started) refuse(scan, "there is no JSON array or object");
      if (scan.depth > 0) refuse(scan, "the JSON text ends early: the file is cut off");
    },
  };
}

function scanOn(scan: Scan): void {
  const { bytes } = scan;
  let { position } = scan;
  while (position < bytes.length) {
    if (scan.stringStart >= 0) {
      position = endOfString(bytes, position);
      if (position >= bytes.length) break;
      if (scan.depth === 1 && scan.topIsObject)
        scan.key = bytes.toString("utf8", scan.stringStart, position + 1);
      scan.stringStart = -1;
      position++;
    }
    while (position < bytes.length && isStructural[bytes[position] as number] === 0) position++;
    if (position >= bytes.length) break;
    const byte = bytes[position] as number;
    if (byte === quote) scan.stringStart = position;
    else if (byte === comma) {
      if (scan.member !== undefined && scan.depth === elementDepth(scan)) scan.batchEnd = position;
    } else if (byte === openBracket || byte === openBrace) open(scan, byte === openBracket, position);
    else close(scan, position);
    position++;
  }
  scan.position = position;
}

/** The offset of the quote that ends a string; at or beyond the end of the text when that is still to come. */
function endOfString(bytes: Buffer, start: number): number {
  let position = start;
  while (position < bytes.length) {
    const byte = bytes[position] as number;
    if (byte === quote) return position;
    position += byte === backslash ? 2 : 1;
  }
  return position;
}

function elementDepth({ topIsObject }: Scan): number {
  return topIsObject ? 2 : 1;
}

function open(scan: Scan, isArray: boolean, position: number): void {
  scan.depth++;
  if (scan.depth === 1) scan.topIsObject = !isArray;
  if (scan.depth !== elementDepth(scan)) return;
  const name = scan.depth === 1 ? "" : keyOf(scan);
  if (!scan.members.includes(name)) {
    if (name === "")
      refuse(scan, `the top of the file must be an object with ${scan.members.join(", ")}, got an array`);
    return;
  }
  if (!isArray) refuse(scan, `"${name}" must be an array, got an object`);
  [scan.member, scan.batchStart, scan.batchEnd, scan.given] = [name, position + 1, -1, 0];
}

function close(scan: Scan, position: number): void {
  if (scan.depth === 0) refuse(scan, "there is a closing bracket too many");
  if (scan.member !== undefined && scan.depth === elementDepth(scan)) {
    takeBatch(scan, position);
    scan.member = undefined;
  }
  scan.depth--;
  if (scan.depth === 0 && scan.topIsObject && scan.members.includes("")) {
    refuse(scan, "the top of the file must be an array, got an object");
  }
}

/** Parses the elements up to `end`, a comma or the array's closing bracket. */
function takeBatch(scan: Scan, end: number): void {
  const text = scan.bytes.toString("utf8", scan.batchStart, end);
  const isBlank = text.trim() === "";
  const closes = scan.bytes[end] !== comma;
  if (isBlank && !(closes && scan.given === 0)) refuse(scan, "there is a comma without a record");
  let records: unknown[] = [];
  try {
    records = JSON.parse(`[${text}]`) as unknown[];
  } catch (cause) {
    refuse(scan, `the text is not JSON (${(cause as Error).message})`, cause);
  }
  scan.batches.push({ member: scan.member as string, records });
  scan.given += records.length;
  [scan.batchStart, scan.batchEnd] = [end + 1, -1];
}

function dropUsed(scan: Scan): void {
  let keep = scan.bytes.length;
  if (scan.member !== undefined) keep = scan.batchStart;
  else if (scan.stringStart >= 0 && scan.depth === 1) keep = scan.stringStart; // it may become the key
  scan.bytes = scan.bytes.subarray(keep);
  scan.position -= keep;
  scan.batchStart -= keep;
  if (scan.stringStart >= 0) scan.stringStart = Math.max(0, scan.stringStart - keep);
}

function keyOf(scan: Scan): string {
  try {
    return JSON.parse(scan.key) as string;
  } catch (cause) {
    return refuse(scan, `${scan.key || "a value without a key"} is not a member name`, cause);
  }
}

function refuse({ source, member, given }: Scan, problem: string, cause?: unknown): never {
  const place =
    member === undefined ? "" : ` in ${member === "" ? "the array" : `"${member}"`}, after ${given} records,`;
  throw new VlmR1Error(
    "invalid-data",
    `${source}:${place} ${problem}.`,
    cause === undefined ? {} : { cause },
  );
}
