import { folded, isDigit, isSpace, isWord, numberAt, numberEnd, wordEnd } from "./characters.ts";

/** Four numbers that a model wrote for a box, in the frame that the model writes in. */
export type WrittenBox = readonly [x1: number, y1: number, x2: number, y2: number];

/** Two numbers that a model wrote for a point, in the frame that the model writes in. */
export type WrittenPoint = readonly [x: number, y: number];

/**
 * The boxes in text that is no JSON, in order, in time linear in its length: `[x1, y1, x2, y2]`, `(x1,y1),(x2,y2)`,
 * corners in prose (`top-left (x1, y1), bottom-right (x2, y2)`); without any, `x1=…, y1=…, x2=…, y2=…`; without
 * those, four numbers that stand alone. Brackets with another count of numbers are no box.
 */
export function boxesInProse(text: string): WrittenBox[] {
  const plain = evened(text);
  const bracketed: WrittenBox[] = [];
  const standing: WrittenBox[] = [];
  let corner: CoordinateGroup | undefined; // a pair that waits for its partner
  let pending: WrittenBox | undefined; // two pairs inside brackets: a box, unless a third follows
  let parent = -1; // the brackets of `pending` or of the last polygon
  visitCoordinateGroups(plain, (group) => {
    const pair = group.bracketed && group.numbers.length === 2;
    const surplus = pair && parent >= 0 && group.parent === parent;
    if (pending && !surplus) bracketed.push(pending);
    pending = undefined;
    if (pair && !surplus && corner?.parent === group.parent && corner.run === group.run) {
      const box = [...corner.numbers, ...group.numbers] as unknown as WrittenBox;
      parent = group.parent;
      if (parent < 0) bracketed.push(box);
      else pending = box;
      corner = undefined;
    } else corner = pair && !surplus ? group : undefined;
    if (group.numbers.length === 4)
      (group.bracketed ? bracketed : standing).push(group.numbers as unknown as WrittenBox);
  });
  if (pending) bracketed.push(pending);
  const named = bracketed.length > 0 ? [] : namedBoxes(plain);
  return [bracketed, named, standing].find(({ length }) => length > 0) ?? [];
}

/**
 * The points in a text, in order: `(x, y)` or `[x, y]` anywhere; without any, `x=…, y=…`; without those, two numbers
 * that stand alone.
 */
export function readPoints(text: string): WrittenPoint[] {
  const plain = evened(text);
  const bracketed: WrittenPoint[] = [];
  const standing: WrittenPoint[] = [];
  visitCoordinateGroups(plain, (group) => {
    if (group.numbers.length === 2)
      (group.bracketed ? bracketed : standing).push(group.numbers as unknown as WrittenPoint);
  });
  const named = bracketed.length > 0 ? [] : namedPoints(plain);
  return [bracketed, named, standing].find(({ length }) => length > 0) ?? [];
}

/**
 * Where a model points: the first point it wrote, or the middle of the first box when that comes before any
 * point.
 */
export function readPointedAt(text: string): WrittenPoint | undefined {
  const plain = evened(text);
  let first: CoordinateGroup | undefined;
  visitCoordinateGroups(plain, (group) => {
    if (!first || (group.bracketed && !first.bracketed)) first = group;
  });
  const named = first?.bracketed === true ? undefined : (namedBoxes(plain)[0] ?? namedPoints(plain)[0]);
  return middleOf(named ?? first?.numbers ?? []);
}

function middleOf(numbers: readonly number[]): WrittenPoint | undefined {
  const [x1, y1, x2, y2] = numbers;
  if (x1 === undefined || y1 === undefined) return undefined;
  return x2 === undefined || y2 === undefined ? [x1, y1] : [(x1 + x2) / 2, (y1 + y2) / 2];
}

const cornerNames = ["x0 y0 x1 y1", "x1 y1 x2 y2", "xmin ymin xmax ymax", "left top right bottom"];

/** The box of four named numbers, given without `_` and in small letters; undefined when one is missing. */
export function boxOfNames(valueOf: (name: string) => number | undefined): WrittenBox | undefined {
  const boxes = cornerNames.map((names) => names.split(" ").map(valueOf));
  return boxes.find((box) => !box.includes(undefined)) as WrittenBox | undefined;
}

/** `x1=12, y1: 30, <x2>96</x2>, y_max is 80`, in any order. */
function namedBoxes(text: string): WrittenBox[] {
  const boxes: WrittenBox[] = [];
  const named = new Map<string, number>();
  visitNamedNumbers(text, (name, value) => {
    const box = boxOfNames((corner) => named.set(name, value).get(corner));
    if (!box) return;
    boxes.push(box);
    named.clear();
  });
  return boxes;
}

/** `x=12, y=30`, and Molmo's `<point x="12" y="30">`. */
function namedPoints(text: string): WrittenPoint[] {
  const points: WrittenPoint[] = [];
  let x: number | undefined;
  visitNamedNumbers(text, (name, value) => {
    if (name === "x") x = value;
    if (name !== "y" || x === undefined) return;
    points.push([x, value]);
    x = undefined;
  });
  return points;
}

const namedNumber =
  /\b([xy][_ ]?(?:min|max|[012])?|left|top|right|bottom)\s*(?:[=:>]|is\b)\s*([+-]?\d+(?:\.\d+)?)/gi;

function visitNamedNumbers(text: string, visit: (name: string, value: number) => void): void {
  for (const [, name = "", number] of text.matchAll(namedNumber))
    if (isCoordinate(Number(number))) visit(name.toLowerCase().replace(/[_ ]/, ""), Number(number));
}

/** Two or four numbers that stand together in a text, inside one innermost pair of brackets or in none. */
interface CoordinateGroup {
  readonly numbers: readonly number[];
  /** Whether a pair of brackets encloses exactly these numbers. */
  readonly bracketed: boolean;
  /**
   * Which pair of brackets encloses the group's own brackets; groups with the same parent are siblings. -1
   * at top level.
   */
  readonly parent: number;
  /**
   * Increases whenever anything but brackets, separators and words for corners stands between two groups.
   */
  readonly run: number;
}

/** What may stand between two corners of one box. */
const cornerLinks =
  /([)\]}])(?:[\s,;:=>→~-]|(?:and|to|the|is|at|corner|top|left|bottom|right|upper|lower|[xy][12])\b|[左上右下角到至和])+(?=[([{])/gi;

/**
 * The text as the scanner reads it: full-width signs as ASCII, without emphasis, quotes, `px`, the text of a label
 * (`label: "cat (1, 2)"`), and the words between two corners.
 */
function evened(text: string): string {
  return folded(text)
    .replace(/\blabel["']?\s{0,9}[:=]\s{0,9}(["']).{0,99}?\1/gi, "label")
    .replace(/["'`*`*]/g, " ")
    .replace(/(\d)\s?px\b/gi, "$1 ")
    .replace(cornerLinks, "$1,");
}

/**
 * The points and boxes of a text as groups of two or four numbers, in order, in one pass: `[1, 2, 3, 4]` is
 * one group of four, `(1,2),(3,4)` two siblings of two. Digits that belong to a word (`x1`, `bbox_2d`) are
 * not numbers. Groups of another size, those with a number that is no coordinate, and the last one of a
 * text that ends inside brackets, are left out.
 */
function visitCoordinateGroups(text: string, visit: (group: CoordinateGroup) => void): void {
  const open: number[] = [];
  let brackets = 0;
  let run = 0;
  let pure = true; // nothing but numbers and separators since the last bracket or word
  let numbers: number[] = [];
  for (let i = 0; ;) {
    const character = text[i];
    const end = coordinateEnd(text, i);
    if (end >= 0) {
      numbers.push(numberAt(text, i, end));
      i = end;
    } else if (character === "," || character === ";" || isSpace(text.charCodeAt(i))) i++;
    else {
      // Anything else ends the group.
      const opening = character !== undefined && "[({".includes(character);
      const closing = character !== undefined && "])}".includes(character);
      const bracketed = closing && open.pop() !== undefined;
      const cut = character === undefined && open.length > 0; // the last number may go on where the text was cut off
      const wanted =
        pure && !cut && (numbers.length === 2 || numbers.length === 4) && numbers.every(isCoordinate);
      if (wanted) visit({ numbers, bracketed, parent: open.at(-1) ?? -1, run });
      if (character === undefined) return;
      if (numbers.length > 0 && !wanted) run++;
      if (numbers.length > 0) numbers = [];
      if (opening) open.push(brackets++);
      pure = opening || closing || open.length === 0;
      if (!opening && !closing) run++;
      i = Math.max(i + 1, wordEnd(text, i));
    }
  }
}

/** Where a number that is no part of a word ends, or -1. */
function coordinateEnd(text: string, at: number): number {
  const next = text.charCodeAt(at + 1);
  // Runs of signs and points that begin no number are common and must be cheap.
  if (!isDigit(text.charCodeAt(at)) && !isDigit(next) && next !== 46) return -1;
  const end = numberEnd(text, at);
  return end >= 0 && isWord(text.charCodeAt(end)) ? -1 : end;
}

/** Numbers beyond this are noise, not coordinates; squares of what remains cannot overflow. */
export function isCoordinate(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= 1e9;
}
