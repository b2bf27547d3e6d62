import { readFences } from "./fences.ts";
import { parseLenient } from "./lenient-json.ts";

/**
 * The JSON values that a text carries: the content of its last fenced block when it has one, else every
 * object and array that stands in the text. Broken JSON is repaired: single or missing quotes, missing or
 * surplus commas, missing brackets at the end, Python's words.
 */
export function readJson(text: string): unknown[] {
  const source = jsonSource(text);
  const strict = parseStrict(source);
  return strict === undefined ? parseLenient(source) : [strict];
}

/** The part of an answer that is meant as JSON: the last fenced block (`json` ones first), or everything. */
export function jsonSource(text: string): string {
  if (!text.includes("```")) return text;
  const fences = readFences(text);
  const labelled = fences.findLast((fence) => fence.language === "json");
  return (labelled ?? fences.at(-1))?.text ?? text;
}

function parseStrict(source: string): unknown {
  const first = source.trimStart().charCodeAt(0);
  if (first !== 91 && first !== 123) return undefined;
  try {
    return JSON.parse(source) as unknown;
  } catch {
    return undefined; // not strict JSON: the lenient parser reads what there is
  }
}
