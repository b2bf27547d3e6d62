import { parseLenient, readJson } from "./json.ts";
import { boxesInProse, boxOfNames, isCoordinate, type WrittenBox } from "./prose.ts";
import { longestAnswer } from "./spans.ts";

/** One object that a model claims to see, in the frame that the model writes in. */
export interface Detection {
  readonly box: WrittenBox;
  /** As written; empty when the model gave none. */
  readonly label: string;
  /** As written, when the model gave one. */
  readonly confidence?: number;
}

/** The boxes in a text, in order: those of {@link readDetections}, without their labels. */
export function readBoxes(text: string): WrittenBox[] {
  return readDetections(text).map(({ box }) => box);
}

/**
 * The labelled boxes of an answer, in order. The first of these that is there counts: phrases with boxes in the special
 * tokens of Qwen, InternVL or DeepSeek; JSON, fenced or bare, repaired when broken; YAML; boxes in free text, without
 * labels. docs/choose-a-reward.md lists the forms. Only the first 200 000 characters are read.
 */
export function readDetections(text: string): Detection[] {
  const read = text.slice(0, longestAnswer);
  const found = taggedDetections(read);
  if (found.length === 0 && /[{｛]/.test(read)) collect(readJson(read), "", found, 0);
  if (found.length === 0) collect(yamlRecords(read), "", found, 0);
  return found.length > 0 ? found : boxesInProse(read).map((box) => ({ box, label: "" }));
}

/**
 * The boxes that follow each marked phrase up to the next one, labelled with it: `<|object_ref_start|>` of Qwen2-VL,
 * `<|ref|>` of DeepSeek-VL2, `<ref>` of Qwen-VL and InternVL.
 */
function taggedDetections(text: string): Detection[] {
  const phrases = text.split(/<\|?(?:object_ref_start|ref)\|?>/).slice(1);
  return phrases.flatMap((phrase) => {
    const [label = "", ...rest] = phrase.split(/<(?:\|object_ref_end\||\|?\/ref\|?)>/);
    return boxesInProse(rest.join(" ")).map((box) => ({ box, label: label.trim() }));
  });
}

/** What a key holds, by its name in small letters without `_`, `-` and spaces. */
const boxKey = /^(bounding)?b?box(es)?(2d)?$|^(position|coordinate|coord|location|region)s?$/;
const labelKey = /^(label|category|class|object|phrase|description)?(name)?(e?s)?$/;
const confidenceKey = /^(confidence|score)s?$/;
/** The name of a list is nobody's label. */
const holderKey = /^(objects|detections|results?|answer)$/;
/** The entries of an object, each with its key as the patterns above want it and as written. */
function entriesOf(record: object): (readonly [key: string, value: unknown, written: string])[] {
  return Object.entries(record).map(([key, value]) => [key.toLowerCase().replace(/[\s_-]/g, ""), value, key]);
}

/** Objects nested deeper than this are not looked at: no answer needs more, and the stack stays small. */
const deepest = 64;

/** The detections in a parsed value; `label` is the key above it, for objects that have no label of their own. */
function collect(value: unknown, label: string, found: Detection[], depth: number): void {
  if (typeof value !== "object" || value === null || depth > deepest) return;
  if (Array.isArray(value)) {
    for (const item of value) collect(item, label, found, depth + 1);
    return;
  }
  const entries = entriesOf(value);
  const boxes: WrittenBox[] = [];
  let labels: readonly string[] = [];
  let confidences: readonly unknown[] = [];
  for (const [key, item] of entries) {
    if (boxKey.test(key)) boxes.push(...boxesOf(item));
    else if (confidenceKey.test(key)) confidences = [item].flat();
    else if (labelKey.test(key))
      labels = [item]
        .flat()
        .filter((item) => typeof item !== "object")
        .map(String);
  }
  if (boxes.length === 0) boxes.push(...cornersOf(value));
  boxes.forEach((box, i) => {
    const confidence = finite(confidences[i] ?? confidences[0]);
    const own = labels[i] ?? labels[0] ?? label;
    found.push({ box, label: own, ...(confidence === undefined ? {} : { confidence }) });
  });
  if (boxes.length > 0) return;
  for (const [key, item, written] of entries) {
    const above = [holderKey, boxKey, labelKey].some((kind) => kind.test(key)) ? "" : written;
    const own = typeof item === "object" ? boxesOf(item) : [];
    for (const box of own) found.push({ box, label: above });
    if (own.length === 0) collect(item, above, found, depth + 1);
  }
}

/**
 * The boxes of a value: four numbers, two corners, an object with named corners, any of these as text, or a list of
 * them.
 */
function boxesOf(value: unknown, wrapped = 0): WrittenBox[] {
  if (typeof value === "string") return boxesInProse(value);
  if (!Array.isArray(value)) return typeof value === "object" ? cornersOf(value ?? {}) : [];
  const corners = value.length === 2 ? value.flatMap(pairOf) : value;
  const numbers = corners.map(finite);
  if (numbers.length === 4 && numbers.every((number) => number !== undefined))
    return [numbers as unknown as WrittenBox];
  return wrapped < 2
    ? value.flatMap((item) => (typeof item === "object" ? boxesOf(item, wrapped + 1) : []))
    : [];
}

/** The numbers of a corner, `[12, 30]` or `{"x": 12, "y": 30}`. */
function pairOf(corner: unknown): unknown {
  return typeof corner === "object" ? Object.values(corner ?? {}) : corner;
}

/** `x1 … y2`, `x_min … y_max`, `left … bottom`, or two corners: `top_left: [12, 30], bottom_right: {x, y}`. */
function cornersOf(record: object): WrittenBox[] {
  const entries = entriesOf(record);
  if (entries.length < 2) return [];
  const named = new Map(entries.map(([key, value]) => [key, value]));
  const box = boxOfNames((name) => finite(named.get(name)));
  return box ? [box] : boxesOf([named.get("topleft"), named.get("bottomright")], 2);
}

function finite(value: unknown): number | undefined {
  const text = typeof value === "string" && value.replace(/\s?px$/i, "").trim();
  const number = text === false || text === "" ? value : Number(text);
  return isCoordinate(number) ? number : undefined;
}

/** The records of a YAML list: lines of `key: value`, a new record at each `-`. */
function yamlRecords(text: string): unknown[] {
  if (!/box|x_?(1|min)|left/i.test(text)) return [];
  const lines = text.match(/^[ \t]*(- |["'\w][\w "'-]{0,30}[:：]).*/gm) ?? [];
  // A list of numbers below its key becomes one that never closes, which the parser of JSON repairs.
  const flow = lines
    .join("\n")
    .replace(/:\n *- +(?=[-.\d])/g, ": [")
    .replace(/\n *- +(?=[-.\d])/g, " ");
  return flow.split(/^ *- +/m, 9999).flatMap((record) => parseLenient(`{${record}}`));
}
