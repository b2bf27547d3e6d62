import { Buffer, isUtf8 } from "node:buffer";
import { type PickleMachine, pickleError } from "./pickle-machine.ts";

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

/** Reads the argument of STRING: a Python string literal in single or double quotes. */
export function parsePythonString(machine: PickleMachine, line: string): string {
  const quote = line[0];
  if (line.length < 2 || (quote !== "'" && quote !== '"') || line.at(-1) !== quote) {
    throw pickleError(machine, `a quoted string should follow, found ${JSON.stringify(line.slice(0, 40))}`);
  }
  const bytes = line
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[^x0-7])/g, (_, escape: string) => unescapeByte(escape));
  return decodePython2Bytes(Buffer.from(bytes, "latin1"));
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
export function decodePython2Bytes(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString("utf8") : bytes.toString("latin1");
}
