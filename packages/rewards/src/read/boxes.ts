import { readCoordinateGroups, type CoordinateGroup } from "./coordinate-groups.ts";

/** Four numbers that a model wrote for a box, in the frame that the model writes in. */
export type WrittenBox = readonly [x1: number, y1: number, x2: number, y2: number];

/** Two numbers that a model wrote for a point, in the frame that the model writes in. */
export type WrittenPoint = readonly [x: number, y: number];

/**
 * The boxes in a text, in order, in time linear in its length: `[x1, y1, x2, y2]`, `(x1,y1),(x2,y2)`, the same inside JSON, `<box>` or
 * `<|box_start|>`, and, when there is none of these, four numbers that stand alone. Numbers may be integers, decimals, negative or
 * scientific; brackets with another count of numbers are no box.
 */
export function readBoxes(text: string): WrittenBox[] {
  return boxesOf(readCoordinateGroups(text));
}

/** The points in a text, in order: `(x, y)` or `[x, y]` anywhere, or, when there is none, two numbers that stand alone. */
export function readPoints(text: string): WrittenPoint[] {
  const pairs = readCoordinateGroups(text).filter((group) => group.numbers.length === 2);
  const bracketed = pairs.filter((group) => group.bracketed);
  return (bracketed.length > 0 ? bracketed : pairs).map((group) => group.numbers as unknown as WrittenPoint);
}

/**
 * Where a model points: the first point it wrote, or the middle of the first box when that comes before any point.
 */
export function readPointedAt(text: string): WrittenPoint | undefined {
  const groups = readCoordinateGroups(text);
  const sized = groups.filter((group) => group.numbers.length === 2 || group.numbers.length === 4);
  const first = sized.find((group) => group.bracketed) ?? sized[0];
  if (!first) return undefined;
  if (first.numbers.length === 2) return first.numbers as unknown as WrittenPoint;
  const [x1, y1, x2, y2] = first.numbers as unknown as WrittenBox;
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

function boxesOf(groups: readonly CoordinateGroup[]): WrittenBox[] {
  const siblings = pairsPerParent(groups);
  const boxes: WrittenBox[] = [];
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] as CoordinateGroup;
    if (!group.bracketed) continue;
    if (group.numbers.length === 4) boxes.push(group.numbers as unknown as WrittenBox);
    const next = groups[i + 1];
    if (next && isCornerPair(group, next) && (group.parent < 0 || siblings.get(group.parent) === 2)) {
      boxes.push([...group.numbers, ...next.numbers] as unknown as WrittenBox);
      i++;
    }
  }
  if (boxes.length > 0) return boxes;
  return groups
    .filter((group) => !group.bracketed && group.numbers.length === 4)
    .map((group) => group.numbers as unknown as WrittenBox);
}

function isCornerPair(a: CoordinateGroup, b: CoordinateGroup): boolean {
  return (
    a.numbers.length === 2 && b.numbers.length === 2 && b.bracketed && a.parent === b.parent && a.run === b.run
  );
}

/** How many pairs each bracket holds: two make the corners of a box, more make a polygon. */
function pairsPerParent(groups: readonly CoordinateGroup[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { numbers, parent } of groups) {
    if (numbers.length === 2 && parent >= 0) counts.set(parent, (counts.get(parent) ?? 0) + 1);
  }
  return counts;
}
