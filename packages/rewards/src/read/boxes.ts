import { readCoordinateGroups, type CoordinateGroup } from "./coordinate-groups.ts";

/** Four numbers that a model wrote for a box, in the frame that the model writes in. */
export type WrittenBox = readonly [x1: number, y1: number, x2: number, y2: number];

/** Two numbers that a model wrote for a point, in the frame that the model writes in. */
export type WrittenPoint = readonly [x: number, y: number];

/**
 * The boxes in a text, in order, in time linear in its length: `[x1, y1, x2, y2]`, `(x1,y1),(x2,y2)`, the same inside JSON, `<box>` or
 * `<|box_start|>`, and, when there is none of these, four numbers that stand alone. Numbers may be integers, decimals, negative or
 * scientific; brackets with another count of numbers are no box. Reading stops after `most` boxes.
 */
export function readBoxes(text: string, most = Infinity): WrittenBox[] {
  const standing: WrittenBox[] = [];
  const bracketed: WrittenBox[] = [];
  for (const box of bracketedBoxes(text, standing)) {
    bracketed.push(box);
    if (bracketed.length >= most) break;
  }
  return bracketed.length > 0 ? bracketed : standing.slice(0, most);
}

/** The first box of {@link readBoxes}, without reading on. */
export function readFirstBox(text: string): WrittenBox | undefined {
  const standing: WrittenBox[] = [];
  for (const box of bracketedBoxes(text, standing)) return box;
  return standing[0];
}

/** The points in a text, in order: `(x, y)` or `[x, y]` anywhere, or, when there is none, two numbers that stand alone. */
export function readPoints(text: string): WrittenPoint[] {
  const pairs = [...readCoordinateGroups(text)].filter((group) => group.numbers.length === 2);
  const bracketed = pairs.filter((group) => group.bracketed);
  return (bracketed.length > 0 ? bracketed : pairs).map((group) => group.numbers as unknown as WrittenPoint);
}

/** Where a model points: the first point it wrote, or the middle of the first box when that comes before any point. */
export function readPointedAt(text: string): WrittenPoint | undefined {
  let standing: CoordinateGroup | undefined;
  for (const group of readCoordinateGroups(text)) {
    if (group.bracketed) return middleOf(group);
    standing ??= group;
  }
  return standing && middleOf(standing);
}

function middleOf({ numbers }: CoordinateGroup): WrittenPoint {
  if (numbers.length === 2) return numbers as unknown as WrittenPoint;
  const [x1, y1, x2, y2] = numbers as unknown as WrittenBox;
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

/**
 * Boxes in brackets: four numbers in one pair, or two neighbouring pairs of two that share their brackets with no third. Boxes without
 * brackets go to `standing`.
 */
function* bracketedBoxes(text: string, standing: WrittenBox[]): Generator<WrittenBox> {
  let corner: CoordinateGroup | undefined; // a pair that waits for its partner
  let pending: WrittenBox | undefined; // two pairs inside brackets: a box, unless a third follows
  let parent = -1; // the brackets of `pending` or of the last polygon
  for (const group of readCoordinateGroups(text)) {
    const pair = group.bracketed && group.numbers.length === 2;
    const surplus = pair && parent >= 0 && group.parent === parent;
    if (pending && !surplus) yield pending;
    pending = undefined;
    if (pair && !surplus && corner?.parent === group.parent && corner.run === group.run) {
      const box = [...corner.numbers, ...group.numbers] as unknown as WrittenBox;
      parent = group.parent;
      if (parent < 0) yield box;
      else pending = box;
      corner = undefined;
    } else corner = pair && !surplus ? group : undefined;
    if (group.numbers.length !== 4) continue;
    if (group.bracketed) yield group.numbers as unknown as WrittenBox;
    else standing.push(group.numbers as unknown as WrittenBox);
  }
  if (pending) yield pending;
}
