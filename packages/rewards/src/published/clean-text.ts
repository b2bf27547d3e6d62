import { isPythonSpace, pythonStrip } from "./python-text.ts";
import { findAll } from "./tags.ts";

/**
 * `clean_text`: the last answer (or the whole text) with line breaks as spaces, stripped, without final
 * periods, in lower case.
 *
 * Bugs kept: only the last line break of a run leaves a trace, a carriage return before a line feed
 * vanishes with it, and stripping comes before the periods are cut, so `"a ."` ends in a space. Fixed twin:
 * `allMatchReward`.
 */
export function cleanText(text: string): string {
  const answers = findAll(text, "<answer>", "</answer>");
  const answer = answers.at(-1) ?? text;
  const lines = withoutBreaks(withoutBreaks(answer, "\n"), "\r");
  const stripped = pythonStrip(lines);
  let end = stripped.length;
  while (end > 0 && stripped[end - 1] === ".") end--;
  return stripped.slice(0, end).toLowerCase();
}

/**
 * Removes a break after white space, then turns what is left of them into spaces: two substitutions, each
 * over the whole text.
 */
function withoutBreaks(text: string, lineBreak: string): string {
  if (!text.includes(lineBreak)) return text;
  const kept: string[] = [];
  let from = 0;
  for (let i = text.indexOf(lineBreak); i >= 0; i = text.indexOf(lineBreak, i + 1)) {
    const afterSpace = i > 0 && isPythonSpace(text.charCodeAt(i - 1));
    if (!afterSpace) continue;
    kept.push(text.slice(from, i));
    from = i + 1;
  }
  kept.push(text.slice(from));
  return kept.join("").replaceAll(lineBreak, " "); // every break left follows something else than white space
}
