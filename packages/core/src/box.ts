import { VlmR1Error } from "./error.ts";
import { frameExtent, originalSize, type Frame, type FrameKind } from "./frame.ts";

declare const frameTag: unique symbol;

/**
 * A box [x1, y1, x2, y2] with its upper left and lower right corner; the lower right edge is exclusive, so that the width is x2 - x1.
 *
 * The type parameter names the coordinate frame. It costs nothing at run time and makes a box of one frame unassignable to another:
 * {@link convertBox} is the only way across.
 */
export type Box<Kind extends FrameKind = "pixels"> = readonly [
  x1: number,
  y1: number,
  x2: number,
  y2: number,
] & {
  readonly [frameTag]?: Kind;
};

/** A point [x, y] in a named frame. */
export type Point<Kind extends FrameKind = "pixels"> = readonly [x: number, y: number] & {
  readonly [frameTag]?: Kind;
};

/**
 * Expresses a box of one frame in another. Both are named; nothing is rounded or clipped.
 *
 * @throws VlmR1Error `invalid-argument` when both frames know their original image and the sizes differ.
 */
export function convertBox<From extends FrameKind, To extends FrameKind>(
  box: Box<From>,
  from: Frame<From>,
  to: Frame<To>,
): Box<To> {
  const [x, y] = axesBetween(from, to);
  return [x(box[0]), y(box[1]), x(box[2]), y(box[3])];
}

/** Expresses a point of one frame in another, like {@link convertBox}. */
export function convertPoint<From extends FrameKind, To extends FrameKind>(
  point: Point<From>,
  from: Frame<From>,
  to: Frame<To>,
): Point<To> {
  const [x, y] = axesBetween(from, to);
  return [x(point[0]), y(point[1])];
}

/** Width times height, 0 for an empty or inverted box. */
export function boxArea(box: Box<FrameKind>): number {
  return Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]);
}

/** The middle of a box, in the box's own frame. */
export function boxCenter<Kind extends FrameKind>(box: Box<Kind>): Point<Kind> {
  return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
}

/** A box from COCO's [x, y, width, height]. */
export function boxFromXywh(xywh: readonly [x: number, y: number, width: number, height: number]): Box {
  return [xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3]];
}

/** COCO's [x, y, width, height] of a box. */
export function boxToXywh(box: Box<FrameKind>): [x: number, y: number, width: number, height: number] {
  return [box[0], box[1], box[2] - box[0], box[3] - box[1]];
}

/** The part of a box inside its frame. */
export function clipBox<Kind extends FrameKind>(box: Box<Kind>, frame: Frame<Kind>): Box<Kind> {
  const [width, height] = frameExtent(frame as Frame);
  const clip = (value: number, high: number): number => Math.min(Math.max(value, 0), high);
  return [clip(box[0], width), clip(box[1], height), clip(box[2], width), clip(box[3], height)];
}

/** Whether four numbers form a box: all finite, x1 < x2 and y1 < y2. */
export function isBox(value: unknown): value is Box {
  if (!Array.isArray(value) || value.length !== 4) return false;
  if (!value.every((coordinate) => Number.isFinite(coordinate))) return false;
  const [x1, y1, x2, y2] = value as [number, number, number, number];
  return x1 < x2 && y1 < y2;
}

type Axis = (value: number) => number;

function axesBetween(from: Frame, to: Frame): readonly [x: Axis, y: Axis] {
  const source = originalSize(from);
  const target = originalSize(to);
  if (source && target && (source.width !== target.width || source.height !== target.height)) {
    throw new VlmR1Error(
      "invalid-argument",
      `Cannot convert a box between frames of different images: ${source.width}x${source.height} and ` +
        `${target.width}x${target.height}. Name the frames of one image.`,
    );
  }
  const [fromWidth, fromHeight] = frameExtent(from);
  const [toWidth, toHeight] = frameExtent(to);
  return [axis(fromWidth, toWidth), axis(fromHeight, toHeight)];
}

/** Multiplies before it divides, so that whole numbers in even ratios stay whole. */
function axis(from: number, to: number): Axis {
  return from === to ? (value) => value : (value) => (value * to) / from;
}
