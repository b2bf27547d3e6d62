import { isDigit, isWord, numberAt, numberEnd } from "../read/characters.ts";

/**
 * The last number of a text: fractions as quotients, percent as hundredths, commas between thousands
 * ignored.
 */
export function readNumber(text: string): number | undefined {
  let last: number | undefined;
  let i = 0;
  while (i < text.length) {
    const end = numberEnd(text, i);
    if (end < 0) {
      i++;
    } else if (isWord(text.charCodeAt(i - 1))) {
      i = end; // the digits of `x1` are a name
    } else {
      const [value, after] = wholeNumber(text, i, end);
      if (Number.isFinite(value)) last = value;
      i = after;
    }
  }
  return last;
}

/** A number with its thousands, denominator and percent sign. */
function wholeNumber(text: string, start: number, firstEnd: number): readonly [value: number, end: number] {
  let [value, end] = withThousands(text, start, firstEnd);
  const slash = text[end] === "/" ? numberEnd(text, end + 1) : -1;
  if (slash >= 0) {
    value /= numberAt(text, end + 1, slash);
    end = slash;
  }
  let percent = end;
  if (text[percent] === " " || text[percent] === "\\") percent++;
  return text[percent] === "%" ? [value / 100, percent + 1] : [value, end];
}

/** `1,234,567.5` where commas part thousands, else the number as it stands. */
function withThousands(text: string, start: number, firstEnd: number): [value: number, end: number] {
  let end = firstEnd;
  if (firstEnd - start <= 4) while (isThousand(text, end)) end += 4; // a sign and three digits at most before the first comma
  if (end === firstEnd) return [numberAt(text, start, end), end];
  if (text[end] === "." && isDigit(text.charCodeAt(end + 1))) end = numberEnd(text, end);
  const digits = text.slice(start, end).replaceAll(",", "");
  return [numberAt(digits, 0, digits.length), end];
}

function isThousand(text: string, comma: number): boolean {
  return (
    text[comma] === "," &&
    isDigit(text.charCodeAt(comma + 1)) &&
    isDigit(text.charCodeAt(comma + 2)) &&
    isDigit(text.charCodeAt(comma + 3)) &&
    !isDigit(text.charCodeAt(comma + 4))
  );
}
