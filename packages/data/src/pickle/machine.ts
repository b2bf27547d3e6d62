import { Buffer } from "node:buffer";
import type { VlmR1Error } from "@vlmr1/core";
import { decodeUtf8, invalidData } from "@vlmr1/core/files";

/**
 * What a pickle of plain data holds. `dict` is a Map, `list` and `tuple` are arrays, `set` and `frozenset` are Sets,
 * `bytes` and `bytearray` are Uint8Arrays; an integer that a double cannot hold is a bigint.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>;

/** The machine that a pickle program runs on: a stack, marks into it, and remembered values. */
export interface PickleMachine {
  readonly name: string;
  readonly bytes: Buffer;
  position: number;
  readonly stack: PickleValue[];
  readonly marks: number[];
  /** Remembered values; a hole is `undefined`. Indices far past the end, which no pickler writes, are in `distantMemo`. */
  readonly memo: (PickleValue | undefined)[];
  readonly distantMemo: Map<number, PickleValue>;
  finished: boolean;
}

/** Builds the error for what a pickle does wrong just before the machine's position. */
export function pickleError(machine: PickleMachine, problem: string): VlmR1Error {
  return invalidData({
    file: machine.name,
    place: `pickle byte ${Math.max(0, machine.position - 1)}`,
    problem,
  });
}

/** How much of the stack lies below the last mark. (Reading `marks[-1]` of an empty array is correct and very slow.) */
function floor({ marks }: PickleMachine): number {
  return marks.length === 0 ? 0 : marks[marks.length - 1]!;
}

/** Takes the top value of the stack. @throws VlmR1Error when there is none. */
export function popValue(machine: PickleMachine): PickleValue {
  if (machine.stack.length <= floor(machine)) {
    throw pickleError(machine, "an opcode takes a value from an empty stack; the file is damaged");
  }
  return machine.stack.pop() as PickleValue;
}

/** The top value of the stack, left where it is. @throws VlmR1Error when there is none. */
export function topValue(machine: PickleMachine): PickleValue {
  if (machine.stack.length <= floor(machine)) {
    throw pickleError(machine, "an opcode needs a value on the stack; the file is damaged");
  }
  return machine.stack[machine.stack.length - 1] as PickleValue;
}

/** Takes every value above the last mark, and the mark. @throws VlmR1Error when there is no mark. */
export function popToMark(machine: PickleMachine): PickleValue[] {
  const mark = machine.marks.pop();
  if (mark === undefined)
    throw pickleError(machine, "an opcode looks for a MARK that was never set; the file is damaged");
  const values = machine.stack.slice(mark);
  machine.stack.length = mark;
  return values;
}

/** Moves over `count` bytes and returns where they begin. @throws VlmR1Error when the file is shorter. */
export function take(machine: PickleMachine, count: number): number {
  const start = machine.position;
  if (count > machine.bytes.length - start) {
    throw pickleError(
      machine,
      `${count} bytes should follow and ${machine.bytes.length - start} are left; the file is cut off`,
    );
  }
  machine.position = start + count;
  return start;
}

/** Moves past the next line feed and returns where the line's text ends; protocol 0 writes its arguments as lines. */
export function lineEnd(machine: PickleMachine): number {
  const { bytes, position: start } = machine;
  let end = start;
  while (bytes[end] !== 0x0a) {
    if (end >= bytes.length) {
      throw pickleError(machine, "a line of text should follow and never ends; the file is cut off");
    }
    end++;
  }
  machine.position = end + 1;
  return end > start && bytes[end - 1] === 0x0d ? end - 1 : end;
}

/** The text up to the next line feed, which is consumed. */
export function takeLine(machine: PickleMachine): string {
  const start = machine.position;
  return machine.bytes.toString("latin1", start, lineEnd(machine));
}

const INTEGER = /^[+-]?\d+$/;
const LONGEST_NUMBER = 1000;

/** Reads the argument of INT and LONG: decimal digits, or Python 2's booleans `00` and `01`. */
export function parsePythonInteger(machine: PickleMachine, line: string): number | bigint | boolean {
  if (line === "00") return false;
  if (line === "01") return true;
  const digits = line.trim();
  if (digits.length > LONGEST_NUMBER || !INTEGER.test(digits)) {
    throw pickleError(machine, `an integer should follow, found ${JSON.stringify(line.slice(0, 40))}`);
  }
  const small = Number(digits);
  return Number.isSafeInteger(small) ? small : BigInt(digits.replace("+", ""));
}

/** Reads the argument of FLOAT: what Python's `repr` writes, `nan` and `inf` included. */
export function parsePythonFloat(machine: PickleMachine, line: string): number {
  const named: Record<string, number> = { nan: Number.NaN, inf: Infinity, "-inf": -Infinity };
  const value =
    named[line] ?? (line.length > LONGEST_NUMBER || line.trim() === "" ? Number.NaN : Number(line));
  if (Number.isNaN(value) && line !== "nan") {
    throw pickleError(machine, `a number should follow, found ${JSON.stringify(line.slice(0, 40))}`);
  }
  return value;
}

/** Reads the argument of INT. Plain digits, which is nearly all of them, are read without making a string. */
export function takeInteger(machine: PickleMachine): number | bigint | boolean {
  const { bytes, position: start } = machine;
  let value = 0;
  for (let position = start; position < start + 15; position++) {
    const digit = (bytes[position] ?? 0) - 0x30;
    if (digit >= 0 && digit <= 9) value = value * 10 + digit;
    else if (bytes[position] === 0x0a && position > start && bytes[start] !== 0x30) {
      machine.position = position + 1;
      return value;
    } else break;
  }
  return parsePythonInteger(machine, takeLine(machine));
}

/** A memo index in decimal digits up to the line's end, read without making a string: protocol 0 has millions of them. */
export function takeIndex(machine: PickleMachine): number {
  const { bytes } = machine;
  let index = 0;
  for (let position = machine.position; position < machine.position + 11; position++) {
    const digit = (bytes[position] ?? 0) - 0x30;
    if (digit >= 0 && digit <= 9) {
      index = index * 10 + digit;
    } else if (position > machine.position && bytes[position] === 0x0a) {
      machine.position = position + 1;
      return index;
    } else break;
  }
  throw pickleError(machine, "a memo index of 1 to 10 digits should follow; the file is damaged or cut off");
}

/** Reads the argument of STRING: a Python string literal in single or double quotes. */
export function takeString(machine: PickleMachine): string {
  const { bytes, position: start } = machine;
  const quote = bytes[start];
  const last = lineEnd(machine) - 1;
  if (last <= start || (quote !== 0x27 && quote !== 0x22) || bytes[last] !== quote) {
    const found = JSON.stringify(bytes.toString("latin1", start, Math.min(last + 1, start + 40)));
    throw pickleError(machine, `a quoted string should follow, found ${found}`);
  }
  for (let position = start + 1; position < last; position++) {
    const byte = bytes[position]!;
    if (byte === 0x5c || byte >= 0x80) return unescapeString(bytes.toString("latin1", start + 1, last));
  }
  return bytes.toString("latin1", start + 1, last);
}

function unescapeString(text: string): string {
  const plain = text.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[^x0-7])/g, (_, escape: string) =>
    unescapeByte(escape),
  );
  return decodePython2Bytes(Buffer.from(plain, "latin1"));
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

function unescapeByte(escape: string): string {
  if (escape.length === 3 && escape[0] === "x")
    return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  if (/^[0-7]/.test(escape)) return String.fromCharCode(Number.parseInt(escape, 8) & 0xff);
  return ESCAPES[escape] ?? `\\${escape}`;
}

/** Reads the argument of UNICODE: Python's `raw-unicode-escape`, Latin-1 with \uXXXX and \UXXXXXXXX. */
export function parseRawUnicode(machine: PickleMachine, line: string): string {
  return line.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g, (_, four?: string, eight?: string) => {
    const code = Number.parseInt(four ?? eight ?? "", 16);
    if (code > 0x10ffff)
      throw pickleError(machine, `\\U${eight} is no Unicode character; the file is damaged`);
    return String.fromCodePoint(code);
  });
}

/** Decodes a Python 2 `str`, which is bytes of unknown encoding: UTF-8 when it is valid UTF-8, else Latin-1. */
export function decodePython2Bytes(bytes: Buffer, start = 0, end = bytes.length): string {
  return decodeUtf8(bytes, start, end) ?? bytes.toString("latin1", start, end);
}
