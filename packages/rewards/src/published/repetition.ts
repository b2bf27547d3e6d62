import { VlmR1Error } from "@vlmr1/core";
import { parseLenient } from "../read/json.ts";
import { longestAnswer } from "../read/spans.ts";
import { distinctNgrams, wordNumbers } from "../shape/repetition.ts";
import { pythonJson, type PythonValue } from "./python-json.ts";
import { isPythonSpace, pythonStrip, spaceEnd } from "./python-text.ts";
import { findFirst } from "./python-text.ts";

/**
 * `repetition_reward`: minus the share of repeated boxes when the text holds a JSON list, else of repeated
 * 6-grams of words, -1..0.
 *
 * Bugs kept: any fenced block is taken for boxes; a list without boxes earns 0 however repetitive the text
 * is. Where items are neither objects nor lists Python crashes with TypeError. Broken JSON is repaired by
 * this package's own parser instead of json_repair, and read up to {@link longestAnswer}. Fixed twins: `boxRepetitionReward` and
 * `repetitionReward`.
 *
 * @throws VlmR1Error `unsupported` where the published code crashes.
 */
export function repetitionReward(content: string): number {
  const boxes = boxesIn(content);
  if (boxes) return boxes.total === 0 ? 0 : penalty(boxes.distinct.size, boxes.total);
  const ngram = 6;
  const words = wordNumbers(content.toLowerCase(), isPythonSpace);
  if (words.length < ngram) return 0;
  return penalty(distinctNgrams(words, ngram), words.length - ngram + 1);
}

interface WrittenBoxes {
  readonly distinct: ReadonlySet<string>;
  readonly total: number;
}

/** The boxes of the JSON list in a text, or undefined when it holds no list or an empty one. */
function boxesIn(content: string): WrittenBoxes | undefined {
  const json = jsonIn(content);
  if (json === undefined || json === "") return undefined;
  const value = pythonJson(json);
  if (value === undefined) return countBoxes(parseLenient(json.slice(0, longestAnswer))[0], repairedBoxKey);
  return countBoxes(value, boxKey as (item: unknown) => string | undefined);
}

function countBoxes(
  list: unknown,
  keyOfItem: (item: unknown) => string | undefined,
): WrittenBoxes | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const distinct = new Set<string>();
  let total = 0;
  for (const item of list) {
    const key = keyOfItem(item);
    if (key === undefined) continue;
    distinct.add(key);
    total++;
  }
  return { distinct, total };
}

function jsonIn(content: string): string | undefined {
  const labelled = findFirst(content, "```json", "```");
  if (labelled !== undefined) return pythonStrip(labelled);
  const fenced = findFirst(content, "```", "```");
  const stripped = fenced === undefined ? "" : pythonStrip(fenced);
  return stripped === "" ? bareList(content) : stripped;
}

const [openBracket, openBrace] = [91, 123];

/**
 * `\[\s*{.*?"bbox_2d".*?"label".*?}\s*\]` with DOTALL: each part is searched for once, after the part
 * before it.
 */
function bareList(content: string): string | undefined {
  const start = listStart(content);
  if (start < 0) return undefined;
  const box = content.indexOf('"bbox_2d"', spaceEnd(content, start + 1) + 1);
  const label = box < 0 ? -1 : content.indexOf('"label"', box + 9);
  let brace = label < 0 ? -1 : content.indexOf("}", label + 7);
  while (brace >= 0) {
    const closing = spaceEnd(content, brace + 1);
    if (content[closing] === "]") return content.slice(start, closing + 1);
    brace = content.indexOf("}", brace + 1);
  }
  return undefined;
}

function fromPlain(value: unknown): PythonValue {
  if (typeof value === "number") return Number.isInteger(value) ? value : { float: value };
  if (Array.isArray(value)) return value.map(fromPlain);
  if (typeof value === "object" && value !== null) {
    return new Map(Object.entries(value).map(([key, item]) => [key, fromPlain(item)]));
  }
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}

/** What tells one box from another, or undefined for an item that is skipped. */
function boxKey(item: PythonValue): string | undefined {
  if (item instanceof Map) {
    const map = item as ReadonlyMap<string, PythonValue>;
    return keyOf(map.get("bbox_2d"), map.get("label"));
  }
  const inText = typeof item === "string" && item.includes("bbox_2d") && item.includes("label");
  const inList = Array.isArray(item) && item.includes("bbox_2d") && item.includes("label");
  if ((typeof item === "string" && !inText) || (Array.isArray(item) && !inList)) return undefined;
  throw new VlmR1Error(
    "unsupported",
    "The published repetition_reward crashes here (TypeError): an item is no object.",
  );
}

/** Where the first `\[\s*{` stands, or -1. */
function listStart(content: string): number {
  for (let i = content.indexOf("["); i >= 0 && i < content.length; i++) {
    if (content.charCodeAt(i) !== openBracket) continue;
    if (content.charCodeAt(i + 1) === openBracket) continue; // spares a look for white space at every bracket of a run
    if (content.charCodeAt(spaceEnd(content, i + 1)) === openBrace) return i;
  }
  return -1;
}

/** {@link boxKey} of an item of our own parser, without making a PythonValue of the whole item first. */
function repairedBoxKey(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return boxKey(fromPlain(item));
  return keyOf(fieldOf(item, "bbox_2d"), fieldOf(item, "label"));
}

function fieldOf(item: object, key: string): PythonValue | undefined {
  return Object.hasOwn(item, key) ? fromPlain((item as Record<string, unknown>)[key]) : undefined;
}

function keyOf(box: PythonValue | undefined, label: PythonValue | undefined): string | undefined {
  if (box === undefined || label === undefined) return undefined;
  return `${repr(box)}_${typeof label === "string" ? label : repr(label)}`;
}

/** Tells values apart as Python's repr does, without being it. */
function repr(value: PythonValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly PythonValue[]).map(repr).join(", ")}]`;
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, PythonValue>)];
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}: ${repr(item)}`).join(", ")}}`;
  }
  if (typeof value === "number") return String(value);
  return "int" in value ? (value as { int: string }).int : `f${(value as { float: number }).float}`;
}

function penalty(distinct: number, total: number): number {
  return (1 - distinct / total) * -1;
}
