import { isPythonSpace, pythonStrip, textOf } from "./python-text.ts";
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
  const stripped = pythonStrip(withoutBreaks(answer));
  let end = stripped.length;
  while (end > 0 && stripped[end - 1] === ".") end--;
  return stripped.slice(0, end).toLowerCase();
}

/**
 * Removes line feeds after white space and makes spaces of the others, then does the same with carriage
 * returns: two substitutions, here in one pass.
 */
function withoutBreaks(text: string): string {
  if (!/[\n\r]/.test(text)) return text;
  const units = new Uint16Array(text.length);
  let count = 0;
  let before = 0; // the unit before, as written
  let between = 0; // the unit before, as the first substitution left it
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const afterSpace = isPythonSpace(unit === lineFeed ? before : between);
    before = unit;
    if (unit === lineFeed && afterSpace) continue;
    between = unit === lineFeed ? space : unit;
    if (unit === carriageReturn && afterSpace) continue;
    units[count++] = unit === carriageReturn ? space : between;
  }
  return textOf(units.subarray(0, count));
}

const [lineFeed, carriageReturn, space] = [10, 13, 32];
