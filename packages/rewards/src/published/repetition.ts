import { VlmR1Error } from "@vlmr1/core";
import { parseLenient } from "../read/lenient-json.ts";
import { distinctNgrams } from "../shape/repetition.ts";
import { pythonJson, type PythonValue } from "./python-json.ts";
import { pythonSplit, pythonStrip, spaceEnd } from "./python-text.ts";
import { findFirst } from "./tags.ts";

/**
 * `repetition_reward`: minus the share of repeated boxes when the text holds a JSON list, else of repeated
 * 6-grams of words, -1..0.
 *
 * Bugs kept: any fenced block is taken for boxes; a list without boxes earns 0 however repetitive the text
 * is. Where items are neither objects nor lists Python crashes with TypeError. Broken JSON is repaired by
 * this package's own parser instead of json_repair. Fixed twins: `boxRepetitionReward` and
 * `repetitionReward`.
 *
 * @throws VlmR1Error `unsupported` where the published code crashes.
 */
export function repetitionReward(content: string): number {
  const items = listIn(content);
  if (items && items.length > 0) {
    const boxes = items.map(boxKey).filter((key) => key !== undefined);
    return boxes.length === 0 ? 0 : penalty(new Set(boxes).size, boxes.length);
  }
  const ngram = 6;
  if (pythonSplit(content).length < ngram) return 0;
  const words = pythonSplit(content.toLowerCase());
  return penalty(distinctNgrams(words, ngram), words.length - ngram + 1);
}

function listIn(content: string): readonly PythonValue[] | undefined {
  const json = jsonIn(content);
  if (json === undefined || json === "") return undefined;
  const value = pythonJson(json) ?? repaired(json);
  return Array.isArray(value) ? (value as readonly PythonValue[]) : undefined;
}

function jsonIn(content: string): string | undefined {
  const labelled = findFirst(content, "```json", "```");
  if (labelled !== undefined) return pythonStrip(labelled);
  const fenced = findFirst(content, "```", "```");
  const stripped = fenced === undefined ? "" : pythonStrip(fenced);
  return stripped === "" ? bareList(content) : stripped;
}

/**
 * `\[\s*{.*?"bbox_2d".*?"label".*?}\s*\]` with DOTALL: each part is searched for once, after the part
 * before it.
 */
function bareList(content: string): string | undefined {
  let start = content.indexOf("[");
  while (start >= 0 && content[spaceEnd(content, start + 1)] !== "{") start = content.indexOf("[", start + 1);
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

function repaired(json: string): PythonValue | undefined {
  const [first] = parseLenient(json);
  return Array.isArray(first) ? first.map(fromPlain) : undefined;
}

function fromPlain(value: unknown): PythonValue {
  if (typeof value === "number") return Number.isInteger(value) ? { int: String(value) } : { float: value };
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
    const label = map.get("label");
    if (!map.has("bbox_2d") || label === undefined) return undefined;
    return `${repr(map.get("bbox_2d") ?? null)}_${typeof label === "string" ? label : repr(label)}`;
  }
  const inText = typeof item === "string" && item.includes("bbox_2d") && item.includes("label");
  const inList = Array.isArray(item) && item.includes("bbox_2d") && item.includes("label");
  if ((typeof item === "string" && !inText) || (Array.isArray(item) && !inList)) return undefined;
  throw new VlmR1Error(
    "unsupported",
    "The published repetition_reward crashes here (TypeError): an item is no object.",
  );
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
  return "int" in value ? (value as { int: string }).int : `f${(value as { float: number }).float}`;
}

function penalty(distinct: number, total: number): number {
  return (1 - distinct / total) * -1;
}
