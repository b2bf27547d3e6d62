/**
 * Whether CPython's `str.isspace` holds for a UTF-16 unit: what `\s`, `strip` and `split` go by.
 * JavaScript's set differs.
 */
export function isPythonSpace(unit: number): boolean {
  if (unit <= 32) return unit === 32 || (unit >= 9 && unit <= 13) || (unit >= 28 && unit <= 31);
  if (unit === 0x85 || unit === 0xa0 || unit === 0x1680) return true;
  if (unit < 0x2000) return false;
  return (
    unit <= 0x200a ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}

/** `str.strip()`. */
export function pythonStrip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isPythonSpace(text.charCodeAt(start))) start++;
  while (end > start && isPythonSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** `float(text)`, or undefined where Python raises ValueError. */
export function pythonFloat(text: string): number | undefined {
  const stripped = asciiDigits(pythonStrip(text));
  const special = /^([+-]?)(?:(inf|infinity)|nan)$/i.exec(stripped);
  if (special) {
    if (special[2] === undefined) return Number.NaN;
    return special[1] === "-" ? -Infinity : Infinity;
  }
  // Underscores may stand between digits.
  if (!/^[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?$/.test(stripped)) return undefined;
  if (/_(?!\d)/.test(stripped) || /(?:^|[^\d])_/.test(stripped)) return undefined;
  return Number(stripped.replaceAll("_", ""));
}

/** The end of the white space that starts at `start`. */
export function spaceEnd(text: string, start: number): number {
  let i = start;
  while (i < text.length && isPythonSpace(text.charCodeAt(i))) i++;
  return i;
}

/**
 * The text with the decimal digits of every script as 0..9, which is how `\d`, `int` and `float` read them.
 */
export function asciiDigits(text: string): string {
  if (!/[^\P{Nd}0-9]/u.test(text)) return text;
  const values = (digitValues ??= readDigitValues());
  const astral = new Map<number, number>(); // of this text: beyond 16 bits, a digit takes two units
  const units = new Uint16Array(text.length);
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    let value = values[unit] as number;
    if ((unit & 0xfc00) === 0xd800) {
      const point = text.codePointAt(i) as number;
      value = astral.get(point) ?? astralDigit(point);
      astral.set(point, value);
      if (value !== noDigit) i++;
    }
    units[count++] = value === noDigit ? unit : 48 + value;
  }
  return textOf(units.subarray(0, count));
}

const noDigit = 10;
/** The value of every UTF-16 unit that is a decimal digit; made when it is first needed. */
let digitValues: Uint8Array | undefined;

/** Decimal digits stand in runs of ten, from zero up; runs may touch. */
function readDigitValues(): Uint8Array {
  const values = new Uint8Array(0x10000).fill(noDigit);
  const all = textOf(Uint16Array.from(values, (_, unit) => unit));
  for (const { index, 0: run } of all.matchAll(/\p{Nd}+/gu))
    for (let i = 0; i < run.length; i++) values[index + i] = i % 10;
  return values;
}

function astralDigit(point: number): number {
  let first = point;
  while (/\p{Nd}/u.test(String.fromCodePoint(first))) first--;
  return first === point ? noDigit : (point - first - 1) % 10;
}

/** The text of UTF-16 units. */
export function textOf(units: Uint16Array): string {
  const parts: string[] = [];
  for (let i = 0; i < units.length; i += 8192) {
    // Applied, not spread: spreading copies unit by unit and takes seven times as long.
    const part = units.subarray(i, i + 8192) as unknown as number[];
    parts.push(Reflect.apply(String.fromCharCode, undefined, part));
  }
  return parts.join("");
}

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
