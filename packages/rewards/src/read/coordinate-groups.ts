import { isDigit, isSpace, isWord, numberAt, numberEnd } from "./number.ts";

/** Two or four numbers that stand together in a text, inside one innermost pair of brackets or in none. */
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

/**
 * The points and boxes of a text as groups of two or four numbers, in order, in one pass: `[1, 2, 3, 4]` is one group of four,
 * `(1,2),(3,4)` two siblings of two. Digits that belong to a word (`x1`, `bbox_2d`) are not numbers. Groups of another size, and those
 * with a number that is no coordinate, are left out.
 */
export function* readCoordinateGroups(text: string): Generator<CoordinateGroup> {
  const open: number[] = [];
  let brackets = 0;
  let run = 0;
  let pure = true; // nothing but numbers and separators since the last bracket or word
  let count = 0;
  const bounds = [0, 0, 0, 0, 0, 0, 0, 0]; // where the first four numbers begin and end
  let i = 0;
  for (;;) {
    const unit = i < text.length ? text.charCodeAt(i) : 0;
    if (isSpace(unit) || unit === 44 || unit === 59) {
      i++;
      continue;
    }
    const end = startsNumber(unit) ? numberEnd(text, i) : -1;
    if (end >= 0 && !isWord(text.charCodeAt(end))) {
      if (count < 4) {
        bounds[2 * count] = i;
        bounds[2 * count + 1] = end;
      }
      count++;
      i = end;
      continue;
    }
    // Anything else ends the group.
    const closing = isClosing(unit);
    const bracketed = closing && open.pop() !== undefined;
    if (count > 0) {
      const cut = i >= text.length && open.length > 0; // the last number may go on where the text was cut off
      const wanted = pure && !cut && (count === 2 || count === 4);
      const numbers = wanted ? numbersAt(text, bounds, count) : undefined;
      if (numbers) yield { numbers, bracketed, parent: open.at(-1) ?? -1, run };
      else run++;
      count = 0;
    }
    if (i >= text.length) return;
    if (isOpening(unit)) open.push(brackets++);
    if (closing || isOpening(unit)) {
      pure = true;
      i++;
    } else {
      pure = open.length === 0;
      run++;
      i = afterWord(text, i);
    }
  }
}

function numbersAt(text: string, bounds: readonly number[], count: number): number[] | undefined {
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) {
    const value = numberAt(text, bounds[2 * i] as number, bounds[2 * i + 1] as number);
    if (!(Math.abs(value) <= largest)) return undefined;
    numbers.push(value);
  }
  return numbers;
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
