import { visitCoordinateGroups, type CoordinateGroup } from "./coordinate-groups.ts";

/** Four numbers that a model wrote for a box, in the frame that the model writes in. */
export type WrittenBox = readonly [x1: number, y1: number, x2: number, y2: number];

/** Two numbers that a model wrote for a point, in the frame that the model writes in. */
export type WrittenPoint = readonly [x: number, y: number];

/**
 * The boxes in a text, in order, in time linear in its length: `[x1, y1, x2, y2]`, `(x1,y1),(x2,y2)`, the
 * same inside JSON, `<box>` or `<|box_start|>`, and, when there is none of these, four numbers that stand
 * alone. Numbers may be integers, decimals, negative or scientific; brackets with another count of numbers
 * are no box. Reading stops after `most` boxes.
 */
export function readBoxes(text: string, most = Infinity): WrittenBox[] {
  const bracketed: WrittenBox[] = [];
  const standing: WrittenBox[] = [];
  let corner: CoordinateGroup | undefined; // a pair that waits for its partner
  let pending: WrittenBox | undefined; // two pairs inside brackets: a box, unless a third follows
  let parent = -1; // the brackets of `pending` or of the last polygon
  visitCoordinateGroups(text, (group) => {
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
    return bracketed.length >= most;
  });
  if (pending) bracketed.push(pending);
  const boxes = bracketed.length > 0 ? bracketed : standing;
  return boxes.length > most ? boxes.slice(0, most) : boxes;
}

/**
 * The points in a text, in order: `(x, y)` or `[x, y]` anywhere, or, when there is none, two numbers that
 * stand alone.
 */
export function readPoints(text: string): WrittenPoint[] {
  const bracketed: WrittenPoint[] = [];
  const standing: WrittenPoint[] = [];
  visitCoordinateGroups(text, (group) => {
    if (group.numbers.length === 2)
      (group.bracketed ? bracketed : standing).push(group.numbers as unknown as WrittenPoint);
    return false;
  });
  return bracketed.length > 0 ? bracketed : standing;
}

/**
 * Where a model points: the first point it wrote, or the middle of the first box when that comes before any
 * point.
 */
export function readPointedAt(text: string): WrittenPoint | undefined {
  let first: CoordinateGroup | undefined;
  visitCoordinateGroups(text, (group) => {
    if (group.bracketed || !first) first = group;
    return group.bracketed;
  });
  return first && middleOf(first);
}

function middleOf({ numbers }: CoordinateGroup): WrittenPoint {
  if (numbers.length === 2) return numbers as unknown as WrittenPoint;
  const [x1, y1, x2, y2] = numbers as unknown as WrittenBox;
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}
