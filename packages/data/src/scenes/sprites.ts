import { createRequire } from "node:module";
import { VlmR1Error } from "@vlmr1/core";
import sharp from "sharp";
import type { SceneObject } from "./layout.ts";

/** A shape that scenes are made of. */
export interface SceneIcon {
  /** The noun that questions use: "key". */
  readonly name: string;
  /** A square SVG document in one colour; only its opacity is used, the colour comes from the scene. */
  readonly svg: string;
}

/** A colour word and its RGB value, 0..255. */
export interface SceneColor {
  readonly name: string;
  readonly rgb: readonly [red: number, green: number, blue: number];
}

/** The nouns of the default set and the icons of Fluent Emoji High Contrast that draw them. */
const fluentIcons: Readonly<Record<string, string>> = {
  star: "star",
  heart: "heart-suit",
  anchor: "anchor",
  key: "key",
  bell: "bell",
  umbrella: "umbrella",
  cactus: "cactus",
  rocket: "rocket",
  butterfly: "butterfly",
  gem: "gem-stone",
  crown: "crown",
  moon: "crescent-moon",
};

let twelve: readonly SceneIcon[] | undefined;

/** Twelve shapes that stay distinct at 13 pixels, from Microsoft's Fluent Emoji (MIT). */
export function defaultIcons(): readonly SceneIcon[] {
  return (twelve ??= fluentEmoji(fluentIcons));
}

/** Six colours that stay distinct on any ground. */
export const defaultColors: readonly SceneColor[] = [
  { name: "red", rgb: [214, 39, 40] },
  { name: "green", rgb: [44, 160, 44] },
  { name: "blue", rgb: [40, 70, 220] },
  { name: "yellow", rgb: [235, 205, 20] },
  { name: "purple", rgb: [150, 60, 190] },
  { name: "white", rgb: [245, 245, 245] },
];

/**
 * Icons of Fluent Emoji High Contrast by name, 1,594 to choose from: `fluentEmoji({ bike: "bicycle" })` draws the
 * icon "bicycle" and calls it "bike".
 *
 * @throws VlmR1Error `not-found` when the set has no such icon.
 */
export function fluentEmoji(icons: Readonly<Record<string, string>>): readonly SceneIcon[] {
  const require = createRequire(import.meta.url);
  const set = require("@iconify-json/fluent-emoji-high-contrast/icons.json") as {
    readonly icons: Readonly<Record<string, { readonly body: string }>>;
  };
  return Object.entries(icons).map(([name, icon]) => {
    const body = set.icons[icon]?.body;
    if (body === undefined) {
      throw new VlmR1Error(
        "not-found",
        `Fluent Emoji has no icon "${icon}". Its names are listed at https://icon-sets.iconify.design/fluent-emoji-high-contrast/.`,
      );
    }
    return {
      name,
      svg: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" color="#000">${body}</svg>`,
    };
  });
}

/** An icon rasterised at one size: how opaque each pixel is, and the box of those that are visible. */
export interface Sprite {
  /** Side of the square raster. */
  readonly side: number;
  /** [side, side], 0..255. */
  readonly alpha: Uint8Array;
  /** The smallest box that holds every visible pixel: offset in the raster, width and height. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels more opaque than this belong to the object: what its exact box encloses. */
export const visibleAlpha = 16;

/** Sprites by icon and by size in pixels. */
export type SpriteBank = ReadonlyMap<SceneIcon, ReadonlyMap<number, Sprite>>;

/** What was rasterised before: several datasets of the same icons need the same sprites. Forgotten with the icons. */
const rasters = new WeakMap<SceneIcon, Map<number, Promise<Sprite>>>();

/** Rasterises every icon at every size. */
export async function createSpriteBank(
  icons: readonly SceneIcon[],
  sides: readonly number[],
): Promise<SpriteBank> {
  const rows = icons.map(async (icon) => {
    const sprites = sides.map(async (side) => [side, await spriteOf(icon, side)] as const);
    return [icon, new Map(await Promise.all(sprites))] as const;
  });
  return new Map(await Promise.all(rows));
}

function spriteOf(icon: SceneIcon, side: number): Promise<Sprite> {
  const known = rasters.get(icon) ?? new Map<number, Promise<Sprite>>();
  rasters.set(icon, known);
  const sprite = known.get(side) ?? rasterise(icon, side);
  known.set(side, sprite);
  return sprite;
}

async function rasterise(icon: SceneIcon, side: number): Promise<Sprite> {
  const { data } = await sharp(Buffer.from(icon.svg), { density: 72 })
    .resize(side, side)
    .ensureAlpha()
    .extractChannel("alpha")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const alpha = new Uint8Array(data);
  let [left, top, right, bottom] = [side, side, 0, 0];
  for (let i = 0; i < alpha.length; i++) {
    if ((alpha[i] as number) <= visibleAlpha) continue;
    const x = i % side;
    const y = Math.floor(i / side);
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y + 1);
  }
  return { side, alpha, left, top, width: right - left, height: bottom - top };
}

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
