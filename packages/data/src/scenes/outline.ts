import type { SceneObject } from "./scene.ts";
import { visibleAlpha, type Sprite } from "./sprite.ts";

/**
 * The sprite of each object that was drawn: its exact shape, kept beside the object so that targets stay small and
 * plain.
 */
const drawnWith = new WeakMap<SceneObject, Sprite>();
const outlines = new WeakMap<Sprite, readonly (readonly number[])[]>();

/** Notes what an object was drawn with. */
export function rememberSprite(object: SceneObject, sprite: Sprite): SceneObject {
  drawnWith.set(object, sprite);
  return object;
}

/**
 * The outline of an object as COCO polygons [x1, y1, x2, y2, …] in pixels of the scene, one for each part; holes are
 * filled, as they are everywhere in COCO. An object that was not drawn here (a copy, or one read from a file) is
 * outlined by its box.
 */
export function objectPolygons(object: SceneObject): number[][] {
  const [left, top, right, bottom] = object.box;
  const sprite = drawnWith.get(object);
  if (!sprite) return [[left, top, right, top, right, bottom, left, bottom]];
  const outline = outlines.get(sprite) ?? traceOutline(sprite);
  outlines.set(sprite, outline);
  return outline.map((polygon) =>
    polygon.map((value, i) => (i % 2 === 0 ? value + left - sprite.left : value + top - sprite.top)),
  );
}

/** The area that polygons enclose, by the shoelace formula. */
export function polygonArea(polygons: readonly (readonly number[])[]): number {
  return polygons.reduce((sum, polygon) => sum + shoelace(polygon), 0);
}

/** Walks around every part of a sprite along the edges of its pixels, with the shape on the right hand. */
function traceOutline(sprite: Sprite): number[][] {
  const edges = boundaryEdges(sprite.side, filledShape(sprite));
  const polygons: number[][] = [];
  for (const [start, directions] of edges) {
    while (directions.length > 0) polygons.push(walk(edges, start, sprite.side + 1));
  }
  return polygons;
}

/** Whether each pixel belongs to a sprite or to a hole in it. */
function filledShape({ side, alpha }: Sprite): (x: number, y: number) => boolean {
  const columns = side + 2; // with a margin all around, from which everything outside can be reached
  const outside = new Uint8Array(columns * columns);
  const open = [0];
  outside[0] = 1;
  for (let position = open.pop(); position !== undefined; position = open.pop()) {
    const [x, y] = [position % columns, Math.floor(position / columns)];
    for (const [dx, dy] of neighbours) {
      const [u, v] = [x + dx, y + dy];
      const next = v * columns + u;
      if (u < 0 || v < 0 || u >= columns || v >= columns || outside[next] === 1) continue;
      const isMargin = u === 0 || v === 0 || u > side || v > side;
      if (!isMargin && (alpha[(v - 1) * side + u - 1] as number) > visibleAlpha) continue;
      outside[next] = 1;
      open.push(next);
    }
  }
  return (x, y) => outside[(y + 1) * columns + x + 1] === 0;
}

const neighbours = [-1, 0, 1].flatMap((dx) => [-1, 0, 1].map((dy) => [dx, dy] as const));

/** Steps right, down, left and up. */
const steps = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const;

type Direction = 0 | 1 | 2 | 3;

/** For each corner of the pixel grid, the directions of the boundary edges that leave it. */
function boundaryEdges(side: number, isInside: (x: number, y: number) => boolean): Map<number, Direction[]> {
  const edges = new Map<number, Direction[]>();
  const add = (x: number, y: number, direction: Direction): void => {
    const corner = y * (side + 1) + x;
    edges.set(corner, [...(edges.get(corner) ?? []), direction]);
  };
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (!isInside(x, y)) continue;
      if (!isInside(x, y - 1)) add(x, y, 0);
      if (!isInside(x + 1, y)) add(x + 1, y, 1);
      if (!isInside(x, y + 1)) add(x + 1, y + 1, 2);
      if (!isInside(x - 1, y)) add(x, y + 1, 3);
    }
  }
  return edges;
}

/** Follows one loop from a corner back to it, uses its edges up, and returns the corners at which it turns. */
function walk(edges: Map<number, Direction[]>, start: number, columns: number): number[] {
  const polygon: number[] = [];
  let corner = start;
  let heading: Direction | undefined;
  do {
    const leaving = edges.get(corner) as Direction[];
    // Where two pixels touch at a corner only, turning right stays with the same pixel.
    const right = heading === undefined ? undefined : (((heading + 1) % 4) as Direction);
    const next = right !== undefined && leaving.includes(right) ? right : (leaving[0] as Direction);
    leaving.splice(leaving.indexOf(next), 1);
    if (next !== heading) polygon.push(corner % columns, Math.floor(corner / columns));
    heading = next;
    corner += steps[next][0] + steps[next][1] * columns;
  } while (corner !== start);
  return polygon;
}

function shoelace(polygon: readonly number[]): number {
  let twice = 0;
  for (let i = 0; i < polygon.length; i += 2) {
    const [x1, y1] = [polygon[i] as number, polygon[i + 1] as number];
    const j = (i + 2) % polygon.length;
    twice += x1 * (polygon[j + 1] as number) - (polygon[j] as number) * y1;
  }
  return twice / 2;
}
