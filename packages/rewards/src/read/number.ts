const zero = 48;
const nine = 57;
const plus = 43;
const minus = 45;
const point = 46;
const minusSign = 0x2212; // U+2212, which models that learnt from typeset text write

/** Whether a UTF-16 unit is 0..9. */
export function isDigit(unit: number): boolean {
  return unit >= zero && unit <= nine;
}

/** Whether a UTF-16 unit is white space: ASCII, no-break, and the typographic spaces. */
export function isSpace(unit: number): boolean {
  if (unit < 128) return unit === 32 || (unit <= 13 && unit >= 9);
  return (
    unit === 0xa0 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}

/** Whether a UTF-16 unit can be part of a word or identifier: letters of any script, digits, underscore. */
export function isWord(unit: number): boolean {
  if (unit < 128) return asciiWord[unit] === 1;
  if (!(unit >= 0xc0) || unit === 0xd7 || unit === 0xf7 || isSpace(unit)) return false;
  return !(unit >= 0x2010 && unit <= 0x206f) && unit !== minusSign;
}

const asciiWord = Uint8Array.from({ length: 128 }, (_, unit) =>
  /\w/.test(String.fromCharCode(unit)) ? 1 : 0,
);

/**
 * Where the number that starts at `start` ends, or -1 when none starts there: `7`, `-7`, `+7`, `7.5`, `.5`,
 * `7.`, `1e3`, `-1.5E-2`.
 */
export function numberEnd(text: string, start: number): number {
  let i = start;
  let unit = text.charCodeAt(i);
  if (unit === plus || unit === minus || unit === minusSign) unit = text.charCodeAt(++i);
  const first = i;
  while (unit >= zero && unit <= nine) unit = text.charCodeAt(++i);
  let digits = i - first;
  if (unit === point) {
    const fraction = i + 1;
    let end = fraction;
    unit = text.charCodeAt(end);
    while (unit >= zero && unit <= nine) unit = text.charCodeAt(++end);
    digits += end - fraction;
    if (digits > 0) i = end;
  }
  if (digits === 0) return -1;
  return (unit | 32) === 101 ? exponentEnd(text, i) : i;
}

/** The number written in `text` from `start` to `end`, as {@link numberEnd} found it. */
export function numberAt(text: string, start: number, end: number): number {
  if (text.charCodeAt(start) === minusSign) return -Number(text.slice(start + 1, end));
  return Number(text.slice(start, end));
}

/** Where the digits 0..9 that start at `start` end; `start` when there are none. */
export function digitsEnd(text: string, start: number): number {
  let i = start;
  while (isDigit(text.charCodeAt(i))) i++;
  return i;
}

function exponentEnd(text: string, start: number): number {
  let i = start + 1;
  const sign = text.charCodeAt(i);
  if (sign === plus || sign === minus) i++;
  const end = digitsEnd(text, i);
  return end > i ? end : start;
}
