/**
 * Four numbers in brackets, as every answer format of the field writes a box. Each alternative begins differently:
 * linear time.
 */
const bracketed =
  /\[\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*\]/g;

/** More than this many characters of an answer are not searched. */
const longestAnswer = 20_000;

/** The boxes that a text mentions, as the numbers it wrote: which frame they are in, the text does not say. */
export function boxesInText(text: string): (readonly [number, number, number, number])[] {
  return Array.from(text.slice(0, longestAnswer).matchAll(bracketed), ([, x1, y1, x2, y2]) => [
    Number(x1),
    Number(y1),
    Number(x2),
    Number(y2),
  ]);
}
