import { isDigit, isSpace, isWord, numberAt, numberEnd } from "./number.ts";

/** Two or four numbers that stand together in a text, inside one innermost pair of brackets or in none. */
export interface CoordinateGroup {
  readonly numbers: readonly number[];
  /** Whether a pair of brackets encloses exactly these numbers. */
  readonly bracketed: boolean;
  /**
   * Which pair of brackets encloses the group's own brackets; groups with the same parent are siblings. -1
   * at top level.
   */
  readonly parent: number;
  /**
   * Increases whenever anything but brackets, commas, semicolons and white space stands between two groups.
   */
  readonly run: number;
}

/** Numbers beyond this are noise, not coordinates; squares of what remains cannot overflow. */
const largest = 1e9;

/** What a character means to the scanner. */
const separator = 1;
const numeric = 2;
const opening = 3;
const closing = 4;
const other = 5;

const classes = Uint8Array.from({ length: 128 }, (_, unit) => {
  const character = String.fromCharCode(unit);
  if (isSpace(unit) || ",;".includes(character)) return separator;
  if ("0123456789+-.".includes(character)) return numeric;
  if ("[({".includes(character)) return opening;
  return "])}".includes(character) ? closing : other;
});

/**
 * The points and boxes of a text as groups of two or four numbers, in order, in one pass: `[1, 2, 3, 4]` is
 * one group of four, `(1,2),(3,4)` two siblings of two. Digits that belong to a word (`x1`, `bbox_2d`) are
 * not numbers. Groups of another size, those with a number that is no coordinate, and the last one of a
 * text that ends inside brackets, are left out. `visit` gets each group; reading stops when it returns
 * true.
 */
export function visitCoordinateGroups(text: string, visit: (group: CoordinateGroup) => boolean): void {
  const open: number[] = [];
  let brackets = 0;
  let run = 0;
  let pure = true; // nothing but numbers and separators since the last bracket or word
  let count = 0;
  const bounds = [0, 0, 0, 0, 0, 0, 0, 0]; // where the first four numbers begin and end
  const { length } = text;
  let i = 0;
  for (;;) {
    const kind = i < length ? classOf(text.charCodeAt(i)) : other;
    if (kind === separator) {
      i++;
      continue;
    }
    if (kind === numeric) {
      const end = isSignAlone(text, i) ? -1 : numberEnd(text, i);
      if (end >= 0 && !(end < length && isWord(text.charCodeAt(end)))) {
        if (count < 4) {
          bounds[2 * count] = i;
          bounds[2 * count + 1] = end;
        }
        count++;
        i = end;
        continue;
      }
    }
    // Anything else ends the group.
    const bracketed = kind === closing && open.pop() !== undefined;
    if (count > 0) {
      const cut = i >= length && open.length > 0; // the last number may go on where the text was cut off
      const wanted = pure && !cut && (count === 2 || count === 4);
      const numbers = wanted ? numbersAt(text, bounds, count) : undefined;
      if (!numbers) run++;
      else if (visit({ numbers, bracketed, parent: open.at(-1) ?? -1, run })) return;
      count = 0;
    }
    if (i >= length) return;
    if (kind === opening) open.push(brackets++);
    if (kind === opening || kind === closing) {
      pure = true;
      i++;
    } else {
      pure = open.length === 0;
      run++;
      i = afterWord(text, i);
    }
  }
}

function classOf(unit: number): number {
  if (unit < 128) return classes[unit] as number;
  if (unit === 0x2212) return numeric; // the typographic minus
  return isSpace(unit) ? separator : other;
}

/** Whether a sign or point stands there that begins no number: runs of them are common and must be cheap. */
function isSignAlone(text: string, at: number): boolean {
  const next = text.charCodeAt(at + 1);
  return !isDigit(text.charCodeAt(at)) && !isDigit(next) && next !== 46;
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

/** Skips one character, or a whole word, so that the digits in it are not taken for numbers. */
function afterWord(text: string, start: number): number {
  let i = start + 1;
  if (!isWord(text.charCodeAt(start))) return i;
  while (i < text.length && isWord(text.charCodeAt(i))) i++;
  return i;
}
