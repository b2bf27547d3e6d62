import { numberEnd } from "../read/number.ts";

/**
 * What `json.loads` returns. Python tells 1 from 1.0, and so does its text: whole numbers and floats stay
 * apart here.
 */
export type PythonValue =
  | null
  | boolean
  | string
  | { readonly int: string }
  | { readonly float: number }
  | readonly PythonValue[]
  | ReadonlyMap<string, PythonValue>;

/** Deeper than this Python raises RecursionError. */
const deepest = 900;

/** `json.loads(text)`: strict JSON, plus NaN and Infinity; undefined where Python raises. */
export function pythonJson(text: string): PythonValue | undefined {
  const cursor = { text, at: 0, depth: 0 };
  const value = parseValue(cursor);
  skipSpace(cursor);
  return cursor.at === text.length ? value : undefined;
}

interface Cursor {
  readonly text: string;
  at: number;
  depth: number;
}

function parseValue(cursor: Cursor): PythonValue | undefined {
  skipSpace(cursor);
  const { text, at } = cursor;
  switch (text[at]) {
    case "{":
      return parseObject(cursor);
    case "[":
      return parseArray(cursor);
    case '"':
      return parseString(cursor);
    default:
      return parseConstant(cursor) ?? parseNumber(cursor);
  }
}

function parseArray(cursor: Cursor): PythonValue[] | undefined {
  if (++cursor.depth > deepest) return undefined;
  const items: PythonValue[] = [];
  cursor.at++;
  skipSpace(cursor);
  if (take(cursor, "]")) return leave(cursor, items);
  for (;;) {
    const item = parseValue(cursor);
    if (item === undefined) return undefined;
    items.push(item);
    skipSpace(cursor);
    if (take(cursor, "]")) return leave(cursor, items);
    if (!take(cursor, ",")) return undefined;
  }
}

function parseObject(cursor: Cursor): Map<string, PythonValue> | undefined {
  if (++cursor.depth > deepest) return undefined;
  const entries = new Map<string, PythonValue>();
  cursor.at++;
  skipSpace(cursor);
  if (take(cursor, "}")) return leave(cursor, entries);
  for (;;) {
    skipSpace(cursor);
    const key = parseString(cursor);
    if (key === undefined) return undefined;
    skipSpace(cursor);
    if (!take(cursor, ":")) return undefined;
    const value = parseValue(cursor);
    if (value === undefined) return undefined;
    entries.set(key, value);
    skipSpace(cursor);
    if (take(cursor, "}")) return leave(cursor, entries);
    if (!take(cursor, ",")) return undefined;
  }
}

function leave<T>(cursor: Cursor, value: T): T {
  cursor.depth--;
  return value;
}

function parseString(cursor: Cursor): string | undefined {
  const { text } = cursor;
  if (text[cursor.at] !== '"') return undefined;
  const start = cursor.at;
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  if (i >= text.length) return undefined;
  cursor.at = i + 1;
  try {
    return JSON.parse(text.slice(start, i + 1)) as string;
  } catch {
    return undefined; // a control character or a wrong escape: Python refuses them too
  }
}

const constants: readonly (readonly [word: string, value: PythonValue])[] = [
  ["true", true],
  ["false", false],
  ["NaN", { float: Number.NaN }],
  ["Infinity", { float: Infinity }],
  ["-Infinity", { float: -Infinity }],
];

function parseConstant(cursor: Cursor): PythonValue | undefined {
  if (cursor.text.startsWith("null", cursor.at)) {
    cursor.at += 4;
    return null;
  }
  const found = constants.find(([word]) => cursor.text.startsWith(word, cursor.at));
  if (found) cursor.at += found[0].length;
  return found?.[1];
}

function parseNumber(cursor: Cursor): PythonValue | undefined {
  const { text, at } = cursor;
  const end = numberEnd(text, at);
  if (end < 0) return undefined;
  const written = text.slice(at, end);
  const digits = written.startsWith("-") ? written.slice(1) : written;
  const leadingZero =
    digits[0] === "0" && digits.length > 1 && digits[1] !== "." && digits[1] !== "e" && digits[1] !== "E";
  const bare = !(digits[0] !== undefined && digits[0] >= "0" && digits[0] <= "9");
  if (leadingZero || bare || pointWithoutDigits(digits)) return undefined;
  cursor.at = end;
  return /[.eE]/.test(written) ? { float: Number(written) } : { int: written === "-0" ? "0" : written };
}

function pointWithoutDigits(digits: string): boolean {
  const point = digits.indexOf(".");
  const next = digits[point + 1];
  return point >= 0 && !(next !== undefined && next >= "0" && next <= "9");
}

function take(cursor: Cursor, character: string): boolean {
  if (cursor.text[cursor.at] !== character) return false;
  cursor.at++;
  return true;
}

function skipSpace(cursor: Cursor): void {
  while (" \t\n\r".includes(cursor.text[cursor.at] ?? "x")) cursor.at++;
}
