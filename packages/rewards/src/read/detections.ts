import type { WrittenBox } from "./boxes.ts";
import { readBoxes } from "./boxes.ts";
import { readJson } from "./json.ts";
import { longestAnswer } from "./longest.ts";
import { readTaggedDetections } from "./tagged-detections.ts";

/** One object that a model claims to see, in the frame that the model writes in. */
export interface Detection {
  readonly box: WrittenBox;
  /** As written; empty when the model gave none. */
  readonly label: string;
  /** As written, when the model gave one. */
  readonly confidence?: number;
}

/** What a key holds, by its name in small letters. */
const roles = new Map<string, "box" | "label" | "confidence">([
  ["bbox_2d", "box"],
  ["bbox", "box"],
  ["box", "box"],
  ["position", "box"],
  ["bounding_box", "box"],
  ["boundingbox", "box"],
  ["label", "label"],
  ["category", "label"],
  ["category_name", "label"],
  ["class", "label"],
  ["name", "label"],
  ["object", "label"],
  ["confidence", "confidence"],
  ["score", "confidence"],
]);

/**
 * The labelled boxes of an answer, in order: JSON objects with a box under `bbox_2d`, `bbox`, `box` or
 * `position` (any case), fenced or bare, repaired when broken; else Qwen's `<|object_ref_start|>` and
 * `<ref>` tokens; else boxes in free text, without labels. Only the first
 * 200 000 characters are read.
 */
export function readDetections(text: string): Detection[] {
  const read = text.slice(0, longestAnswer);
  const found: Detection[] = [];
  if (mayHoldObjects(read)) for (const value of readJson(read)) collect(value, found, 0);
  if (found.length > 0) return found;
  const tagged = readTaggedDetections(read);
  return tagged.length > 0 ? tagged : readBoxes(read).map((box) => ({ box, label: "" }));
}

/** Every key of a box holds one of these: text without them is not worth parsing. */
function mayHoldObjects(text: string): boolean {
  if (!text.includes("{")) return false;
  const lower = text.toLowerCase();
  return lower.includes("box") || lower.includes("position") || lower.includes("x1");
}

/** Objects nested deeper than this are not looked at: no answer needs more, and the stack stays small. */
const deepest = 64;

function collect(value: unknown, found: Detection[], depth: number): void {
  if (typeof value !== "object" || value === null || depth > deepest) return;
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found, depth + 1);
    return;
  }
  const detection = detectionOf(value as Record<string, unknown>);
  if (detection) found.push(detection);
  else for (const item of Object.values(value)) collect(item, found, depth + 1);
}

function detectionOf(record: Record<string, unknown>): Detection | undefined {
  let box: WrittenBox | undefined;
  let label = "";
  let confidence: number | undefined;
  for (const key of Object.keys(record)) {
    const value = record[key];
    const role = roles.get(key) ?? roles.get(key.toLowerCase());
    if (role === "box") box ??= writtenBox(value);
    else if (role === "confidence") confidence = finite(value) ?? confidence;
    else if (role === "label" && (typeof value === "string" || typeof value === "number"))
      label = String(value);
  }
  box ??= cornersOf(record);
  if (!box) return undefined;
  return confidence === undefined ? { box, label } : { box, label, confidence };
}

/** A box value: four numbers, two corners, an object with x1, y1, x2, y2, or any of these as text. */
function writtenBox(value: unknown, wrapped = 0): WrittenBox | undefined {
  if (typeof value === "string") return readBoxes(value)[0];
  if (!Array.isArray(value)) {
    return typeof value === "object" && value !== null
      ? cornersOf(value as Record<string, unknown>)
      : undefined;
  }
  if (value.length === 1) return wrapped < 2 ? writtenBox(value[0], wrapped + 1) : undefined;
  const swallowed = value.length > 4 && typeof value[4] === "string"; // a bracket that was never closed
  const flat: readonly unknown[] = value.length === 2 ? value.flat() : swallowed ? value.slice(0, 4) : value;
  const numbers = flat.map(finite);
  return numbers.length === 4 && numbers.every((number) => number !== undefined)
    ? (numbers as unknown as WrittenBox)
    : undefined;
}

function cornersOf(record: Record<string, unknown>): WrittenBox | undefined {
  const corners = ["x1", "y1", "x2", "y2"].map((name) => finite(record[name]));
  return corners.every((corner) => corner !== undefined) ? (corners as unknown as WrittenBox) : undefined;
}

/** Numbers beyond this are noise, not coordinates. */
const largest = 1e9;

function finite(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Math.abs(number) <= largest ? number : undefined;
}
