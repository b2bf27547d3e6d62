import { isSpace, isWord, numberAt, numberEnd } from "./number.ts";

/**
 * Containers nested deeper than this are flattened into their parent: no answer needs more, and the stack
 * stays small.
 */
const deepest = 64;

const [lineFeed, backslash] = [10, 92];

/**
 * Every outermost object and array of a text, however broken, in one pass without backtracking.
 *
 * Repairs what language models break: single, typographic or missing quotes, missing and surplus commas,
 * brackets that never close, `None`/`True`/`False`, parentheses for arrays, text around and between values.
 */
export function parseLenient(text: string): unknown[] {
  const values: unknown[] = [];
  const cursor: Cursor = { text, at: 0, depth: 0 };
  while (cursor.at < text.length) {
    const unit = text.charCodeAt(cursor.at);
    if (unit === 91 || unit === 123) values.push(readValue(cursor));
    else cursor.at++;
  }
  return values;
}

interface Cursor {
  readonly text: string;
  at: number;
  depth: number;
}

/** A comma, colon or closing bracket where a value was expected. */
const nothing = Symbol("nothing");

function readValue(cursor: Cursor): unknown {
  const unit = cursor.text.charCodeAt(cursor.at);
  if (unit === 123) return cursor.depth < deepest ? readObject(cursor) : skip(cursor);
  if (unit === 91 || unit === 40) return cursor.depth < deepest ? readArray(cursor) : skip(cursor);
  const quote = closingQuote(unit);
  if (quote !== undefined) return readString(cursor, quote);
  const end = numberEnd(cursor.text, cursor.at);
  if (end >= 0 && !isWord(cursor.text.charCodeAt(end))) {
    const value = numberAt(cursor.text, cursor.at, end);
    cursor.at = end;
    return value;
  }
  if (isWord(unit)) return readWord(cursor);
  return skip(cursor);
}

function readArray(cursor: Cursor): unknown[] {
  const values: unknown[] = [];
  cursor.at++;
  cursor.depth++;
  for (;;) {
    skipSpace(cursor);
    if (cursor.at >= cursor.text.length) break;
    const unit = cursor.text.charCodeAt(cursor.at);
    if (unit === 93 || unit === 41) {
      cursor.at++;
      break;
    }
    if (unit === 125) break; // the array was never closed; its parent object ends here
    const value = readValue(cursor);
    if (value !== nothing) values.push(value);
  }
  cursor.depth--;
  return values;
}

function readObject(cursor: Cursor): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  let entries = 0;
  cursor.at++;
  cursor.depth++;
  let key: string | undefined;
  let valued = false; // a colon has followed the key
  for (;;) {
    skipSpace(cursor);
    if (cursor.at >= cursor.text.length) break;
    const unit = cursor.text.charCodeAt(cursor.at);
    if (unit === 125) {
      cursor.at++;
      break;
    }
    if (unit === 93) break; // the object was never closed; its parent array ends here
    if (unit === 58 || unit === 61) valued = key !== undefined;
    if (unit === 123 && key === undefined && entries > 0) break; // `{"a": 1, {"a": 2}`: the next object begins
    const value = readValue(cursor);
    if (value === nothing) continue;
    if (valued && key !== undefined) {
      setOwn(record, key, value);
      entries++;
      key = undefined;
      valued = false;
    } else if (typeof value === "string") key = value;
  }
  cursor.depth--;
  return record;
}

/** Sets a property; `__proto__` too is a key like any other. */
function setOwn(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") record[key] = value;
  else Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Moves past a character that is no value. */
function skip(cursor: Cursor): typeof nothing {
  cursor.at++;
  return nothing;
}

function skipSpace(cursor: Cursor): void {
  while (cursor.at < cursor.text.length && isSpace(cursor.text.charCodeAt(cursor.at))) cursor.at++;
}

function closingQuote(unit: number): string | undefined {
  if (unit === 34) return '"';
  if (unit === 39) return "'";
  if (unit === 96) return "`";
  if (unit === 0x201c) return "\u201d";
  return unit === 0x2018 ? "\u2019" : undefined;
}

/** A quoted string. One that never closes ends at its line's end, or at the text's. */
function readString(cursor: Cursor, quote: string): string {
  const { text } = cursor;
  const start = cursor.at + 1;
  let i = start;
  let from = start;
  let value = "";
  while (i < text.length) {
    const unit = text.charCodeAt(i);
    if (unit === lineFeed || closes(text, i, quote)) break;
    if (unit === backslash && i + 1 < text.length) {
      value += text.slice(from, i) + unescape(text[i + 1] as string);
      i += 2;
      from = i;
    } else i++;
  }
  cursor.at = text[i] === quote ? i + 1 : i;
  return value + text.slice(from, i);
}

/** Whether the string ends here. An apostrophe before a letter belongs to a word: `'man's hat'`. */
function closes(text: string, at: number, quote: string): boolean {
  if (text[at] !== quote) return false;
  return quote !== "'" || !isWord(text.charCodeAt(at + 1));
}

function unescape(letter: string): string {
  if (letter === "n") return "\n";
  return letter === "t" ? "\t" : letter;
}

/** An unquoted word: a constant, a bare key, or a string without quotes. */
function readWord(cursor: Cursor): unknown {
  const start = cursor.at;
  while (cursor.at < cursor.text.length && isBare(cursor.text.charCodeAt(cursor.at))) cursor.at++;
  const word = cursor.text.slice(start, cursor.at).trimEnd();
  switch (word) {
    case "true":
    case "True":
      return true;
    case "false":
    case "False":
      return false;
    case "null":
    case "None":
      return null;
    default:
      return word;
  }
}

function isBare(unit: number): boolean {
  return isWord(unit) || unit === 32 || unit === 45 || unit === 46;
}
