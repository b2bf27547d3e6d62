import { isDigit, isSpace, isWord, numberAt, numberEnd } from "./number.ts";

/** Numbers that stand together in a text, inside one innermost pair of brackets or in none. */
export interface CoordinateGroup {
  readonly numbers: readonly number[];
  /** Whether a pair of brackets encloses exactly these numbers. */
  readonly bracketed: boolean;
  /** Which pair of brackets encloses the group's own brackets; groups with the same parent are siblings. -1 at top level. */
  readonly parent: number;
  /** Increases whenever anything but brackets, commas, semicolons and white space stands between two groups. */
  readonly run: number;
}

/** Numbers beyond this are noise, not coordinates; squares of what remains cannot overflow. */
const largest = 1e9;

/** Longer groups than this are kept only in part: no box or point has more numbers. */
const longest = 16;

/**
 * The groups of numbers of a text in order, in one pass: `[1, 2, 3, 4]` is one group of four, `(1,2),(3,4)` two siblings of two.
 * Digits that belong to a word (`x1`, `bbox_2d`) are not numbers; groups with a number that is no coordinate are dropped.
 */
export function readCoordinateGroups(text: string): CoordinateGroup[] {
  const groups: CoordinateGroup[] = [];
  const open: number[] = [];
  let brackets = 0;
  let run = 0;
  let pure = true; // nothing but numbers and separators since the bracket before `numbers` opened
  let numbers: number[] = [];
  const flush = (bracketed: boolean, parent: number): void => {
    if (numbers.length > 0 && pure) groups.push({ numbers, bracketed, parent, run });
    if (numbers.length > 0) numbers = [];
    pure = true;
  };
  let i = 0;
  while (i < text.length) {
    const unit = text.charCodeAt(i);
    if (isOpening(unit)) {
      flush(false, open.at(-1) ?? -1);
      open.push(brackets++);
      i++;
    } else if (isClosing(unit)) {
      const bracketed = open.pop() !== undefined;
      flush(bracketed, open.at(-1) ?? -1);
      if (numbers.length === 0) pure = true;
      i++;
    } else if (isSpace(unit) || unit === 44 || unit === 59) {
      i++;
    } else {
      const end = startsNumber(unit) ? numberEnd(text, i) : -1;
      if (end >= 0 && !isWord(text.charCodeAt(end))) {
        const value = numberAt(text, i, end);
        if (!(Math.abs(value) <= largest)) pure = false;
        if (numbers.length < longest) numbers.push(value);
        i = end;
      } else {
        flush(false, open.at(-1) ?? -1);
        pure = open.length === 0;
        run++;
        i = afterWord(text, i);
      }
    }
  }
  flush(false, open.at(-1) ?? -1);
  return groups;
}

function isOpening(unit: number): boolean {
  return unit === 91 || unit === 40 || unit === 123;
}

function isClosing(unit: number): boolean {
  return unit === 93 || unit === 41 || unit === 125;
}

function startsNumber(unit: number): boolean {
  return isDigit(unit) || unit === 45 || unit === 43 || unit === 46 || unit === 0x2212;
}

/** Skips one character, or a whole word, so that the digits in it are not taken for numbers. */
function afterWord(text: string, start: number): number {
  let i = start + 1;
  if (!isWord(text.charCodeAt(start))) return i;
  while (i < text.length && isWord(text.charCodeAt(i))) i++;
  return i;
}
