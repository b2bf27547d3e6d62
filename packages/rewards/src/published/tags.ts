import { pythonStrip } from "./python-text.ts";

/** The groups of `re.findall(opening + "(.*?)" + closing, text, re.DOTALL)`. */
export function findAll(text: string, opening: string, closing: string): string[] {
  const found: string[] = [];
  let at = text.indexOf(opening);
  while (at >= 0) {
    const start = at + opening.length;
    const end = text.indexOf(closing, start);
    if (end < 0) break;
    found.push(text.slice(start, end));
    at = text.indexOf(opening, end + closing.length);
  }
  return found;
}

/** The group of `re.search(opening + "(.*?)" + closing, text, re.DOTALL)`, or undefined. */
export function findFirst(text: string, opening: string, closing: string): string | undefined {
  const at = text.indexOf(opening);
  if (at < 0) return undefined;
  const end = text.indexOf(closing, at + opening.length);
  return end < 0 ? undefined : text.slice(at + opening.length, end);
}

/** The first answer, white space stripped, or undefined. */
export function firstAnswer(text: string): string | undefined {
  const found = findFirst(text, "<answer>", "</answer>");
  return found === undefined ? undefined : pythonStrip(found);
}

/** The last answer, white space stripped, or undefined. */
export function lastAnswer(text: string): string | undefined {
  const found = findAll(text, "<answer>", "</answer>").at(-1);
  return found === undefined ? undefined : pythonStrip(found);
}

/**
 * The first answer that stands on one line, or the whole text, stripped: solutions are searched without
 * DOTALL, so that an answer with a line break in it is not found (bug).
 */
export function solutionAnswer(text: string): string {
  let at = text.indexOf("<answer>");
  while (at >= 0) {
    const start = at + "<answer>".length;
    const end = text.indexOf("</answer>", start);
    if (end < 0) break;
    const lineBreak = text.indexOf("\n", start);
    if (lineBreak < 0 || lineBreak > end) return pythonStrip(text.slice(start, end));
    at = text.indexOf("<answer>", lineBreak);
  }
  return pythonStrip(text);
}
