import { folded, isWord, numberAt, numberEnd, spaceEnd } from "./characters.ts";

/** A fenced block of Markdown: ```` ```json ... ``` ````. */
export interface Fence {
  /** The word after the opening fence, lower-case; empty when there is none. */
  readonly language: string;
  readonly text: string;
  readonly closed: boolean;
}

/** The fenced blocks of a text, in order; the last one may be unclosed. */
export function readFences(text: string): Fence[] {
  const parts = text.split("```");
  const last = parts.length - 1;
  return parts.flatMap((part, i) => {
    if (i % 2 === 0) return [];
    const [, language = "", inside = ""] = /^([a-z]*)(.*)/is.exec(part) ?? [];
    return { language: language.toLowerCase(), text: inside, closed: i < last };
  });
}

/**
 * The JSON values that a text carries: the content of its last fenced block when it has one, else every
 * object and array that stands in the text. Broken JSON is repaired: single or missing quotes, missing or
 * surplus commas, missing brackets at the end, Python's words.
 */
export function readJson(text: string): unknown[] {
  const source = jsonSource(text);
  try {
    // Errors are slow: text that cannot be JSON is not tried.
    if (/^\s*[[{]/.test(source)) return [JSON.parse(source)];
  } catch {
    // Not strict JSON: the lenient parser reads what there is.
  }
  return parseLenient(source);
}

/** The part of an answer that is meant as JSON: the last fenced block (`json` ones first), or everything. */
export function jsonSource(text: string): string {
  const fences = readFences(text);
  const labelled = fences.findLast((fence) => fence.language === "json");
  return (labelled ?? fences.at(-1))?.text ?? text;
}

/**
 * Every outermost object and array of a text, however broken, in one pass without backtracking.
 *
 * Repairs what language models break: single, typographic or missing quotes, missing and surplus commas,
 * brackets that never close, full-width punctuation and digits, `None`/`True`/`False`, parentheses for arrays,
 * text around and between values.
 */
export function parseLenient(text: string): unknown[] {
  const values: unknown[] = [];
  const cursor: Cursor = { text, plain: folded(text), at: 0, depth: 0 };
  const opening = /[[{]/g;
  while (opening.test(cursor.plain)) {
    cursor.at = opening.lastIndex - 1;
    values.push(readValue(cursor));
    opening.lastIndex = cursor.at;
  }
  return values;
}

interface Cursor {
  readonly text: string;
  /** The text with full-width signs as ASCII, unit for unit: structure is read here, strings as written. */
  readonly plain: string;
  at: number;
  depth: number;
}

/**
 * Containers nested deeper than this are flattened into their parent: no answer needs more, and the stack
 * stays small.
 */
const deepest = 64;

/** A comma, colon or closing bracket where a value was expected. */
const nothing = Symbol("nothing");

function readValue(cursor: Cursor): unknown {
  const { text, plain, at, depth } = cursor;
  const character = plain[at] as string;
  if (depth < deepest && "[({".includes(character))
    return character === "{" ? readObject(cursor) : readArray(cursor);
  quoted.lastIndex = at;
  const string = "\"'`“‘".includes(character) && quoted.exec(text);
  if (string) {
    cursor.at = quoted.lastIndex;
    return string
      .slice(1)
      .join("")
      .replace(/\\(?:u([\da-f]{4})|(.))/gi, unescaped);
  }
  const end = numberEnd(plain, at);
  if (end >= 0 && !isWord(plain.charCodeAt(end))) {
    cursor.at = end;
    return numberAt(plain, at, end);
  }
  return readWord(cursor);
}

/**
 * A string in any quotes. One that never closes ends at its line's end, or at the text's; an apostrophe before a letter
 * belongs to a word: `'man's hat'`.
 */
const quoted =
  /"((?:[^"\\\n]|\\.)*)"?|'((?:[^'\\\n]|\\.|'(?=[\p{L}\d]))*)'?|`([^`\n]*)`?|“([^”\n]*)”?|‘([^’\n]*)’?/uy;

function unescaped(_: string, code: string | undefined, letter: string | undefined): string {
  if (letter === undefined) return String.fromCharCode(Number.parseInt(code as string, 16));
  return { n: "\n", t: "\t" }[letter] ?? letter;
}

/** An unquoted word: a constant, a bare key, or a string without quotes. */
function readWord(cursor: Cursor): unknown {
  bare.lastIndex = cursor.at;
  const word = bare.exec(cursor.text)?.[0].trimEnd();
  cursor.at = word === undefined ? cursor.at + 1 : bare.lastIndex;
  if (word === undefined) return nothing;
  const constant = constants.get(word.toLowerCase());
  return constant === undefined ? word : constant;
}

const constants = new Map(Object.entries({ true: true, false: false, null: null, none: null }));

const bare = /[\p{L}\p{N}_][\p{L}\p{M}\p{N}_ .-]*/uy;

function readArray(cursor: Cursor): unknown[] {
  const values: unknown[] = [];
  cursor.at++;
  cursor.depth++;
  for (;;) {
    const character = nextCharacter(cursor);
    if (character === "]" || character === ")") cursor.at++;
    // At a brace the array was never closed; its parent object ends here.
    if (character === undefined || "])}".includes(character)) break;
    const start = cursor.at;
    const value = readValue(cursor);
    if (typeof value === "string" && cursor.depth > 1 && nextCharacter(cursor) === ":") {
      cursor.at = start; // the array was never closed; its parent object goes on with this key
      break;
    }
    if (value !== nothing) values.push(value);
  }
  cursor.depth--;
  return values;
}

function readObject(cursor: Cursor): Record<string, unknown> {
  const entries = new Map<string, unknown>();
  cursor.at++;
  cursor.depth++;
  let key: string | undefined;
  let valued = false; // a colon has followed the key
  for (;;) {
    const character = nextCharacter(cursor);
    if (character === "}") cursor.at++;
    // At a bracket the object was never closed; its parent array ends here.
    if (character === undefined || "}]".includes(character)) break;
    if (character === ":" || character === "=") valued = key !== undefined;
    if (character === "{" && key === undefined && entries.size > 0) break; // `{"a": 1, {"a": 2}`: the next object begins
    const value = readValue(cursor);
    if (valued && key !== undefined && value !== nothing) {
      entries.set(key, value);
      key = undefined;
      valued = false;
    } else if (typeof value === "string") key = value;
  }
  cursor.depth--;
  return Object.fromEntries(entries); // `__proto__` too is a key like any other
}

/** Where white space ends. */
function nextCharacter(cursor: Cursor): string | undefined {
  cursor.at = spaceEnd(cursor.plain, cursor.at);
  return cursor.plain[cursor.at];
}
