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
  if (!/[^\0-\x7f]/.test(text)) return text;
  return text.replaceAll(/\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0) as number)));
}

/** Decimal digits stand in runs of ten, from zero up; runs may touch. */
function digitValue(point: number): number {
  let first = point;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
  return (point - first) % 10;
}
