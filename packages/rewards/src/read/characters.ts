const [zero, nine] = [48, 57];

/** Whether a UTF-16 unit is 0..9. */
export function isDigit(unit: number): boolean {
  return unit >= zero && unit <= nine;
}

/** Whether a UTF-16 unit is white space: ASCII, no-break, and the typographic spaces. */
export function isSpace(unit: number): boolean {
  if (unit < 128) return unit === 32 || (unit <= 13 && unit >= 9);
  return unit === 0xa0 || (unit >= 0x2000 && unit <= 0x3000 && /\s/.test(String.fromCharCode(unit)));
}

/** Whether a UTF-16 unit can be part of a word or identifier: letters of any script, digits, underscore. */
export function isWord(unit: number): boolean {
  if (unit < 128) return asciiWord[unit] === 1;
  // Neither typographic spaces and punctuation nor the signs of multiplication, division and subtraction.
  if (unit < 0x2000) return unit >= 0xc0 && unit !== 0xd7 && unit !== 0xf7;
  return unit > 0x206f && unit !== 0x2212 && unit !== 0x3000;
}

const asciiWord = Uint8Array.from({ length: 128 }, (_, unit) =>
  /\w/.test(String.fromCharCode(unit)) ? 1 : 0,
);

/** Where the white space that starts at `start` ends. */
export function spaceEnd(text: string, start: number): number {
  space.lastIndex = start;
  return space.test(text) ? space.lastIndex : start;
}

const space = /\s*/y;

/** Where the word that starts at `start` ends; `start` when there is none. */
export function wordEnd(text: string, start: number): number {
  let i = start;
  while (i < text.length && isWord(text.charCodeAt(i))) i++;
  return i;
}

/**
 * Where the number that starts at `start` ends, or -1 when none starts there: `7`, `-7`, `+7`, `7.5`, `.5`,
 * `7.`, `1e3`, `-1.5E-2`.
 */
export function numberEnd(text: string, start: number): number {
  numeral.lastIndex = start;
  return numeral.test(text) ? numeral.lastIndex : -1;
}

const numeral = /[-+\u2212]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?/iy;

/** The number written in `text` from `start` to `end`, as {@link numberEnd} found it. */
export function numberAt(text: string, start: number, end: number): number {
  return Number(text.slice(start, end).replace("\u2212", "-")); // the typographic minus
}

/** Where the digits 0..9 that start at `start` end; `start` when there are none. */
export function digitsEnd(text: string, start: number): number {
  let i = start;
  while (isDigit(text.charCodeAt(i))) i++;
  return i;
}

/**
 * The text with other scripts' digits and punctuation as ASCII, unit for unit, so that positions stay: full-width
 * forms, `、` and `。`, `【】`, the typographic minus, Arabic and Persian digits. Text without them is returned
 * as it is.
 */
export function folded(text: string): string {
  return text.replace(/[\u0660-\u0669\u06f0-\u06f9\u2013\u2212\u3001-\u3011\uff01-\uff5e]/g, foldedSign);
}

const foreignSigns = "–−、。【】";
const plainSigns = "--,.[]";

function foldedSign(sign: string): string {
  const unit = sign.charCodeAt(0);
  if (unit > 0xff00) return String.fromCharCode(unit - 0xfee0);
  return plainSigns[foreignSigns.indexOf(sign)] ?? (unit < 0x2000 ? String(unit & 15) : sign);
}

/** The parts of a text between white space, in time linear in its length. */
export function wordsOf(text: string): string[] {
  return partsOf(text, (unit) => !isSpace(unit));
}

/** How many parts {@link wordsOf} finds, without building them. */
export function countWords(text: string): number {
  let count = 0;
  let inWord = false;
  for (let i = 0; i < text.length; i++) {
    const belongs = !isSpace(text.charCodeAt(i));
    if (belongs && !inWord) count++;
    inWord = belongs;
  }
  return count;
}

/**
 * The runs of letters, digits and underscores of a text: its words without punctuation, in time linear in
 * its length.
 */
export function lettersOf(text: string): string[] {
  return partsOf(text, isWord);
}

/** Lower case, runs of white space as one space, none at the ends. */
export function plainText(text: string): string {
  return wordsOf(text.toLowerCase()).join(" ");
}

function partsOf(text: string, belongs: (unit: number) => boolean): string[] {
  const parts: string[] = [];
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    if (!belongs(text.charCodeAt(i))) {
      if (start >= 0) parts.push(text.slice(start, i));
      start = -1;
    } else if (start < 0) start = i;
  }
  if (start >= 0) parts.push(text.slice(start));
  return parts;
}
