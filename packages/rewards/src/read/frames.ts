import {
  convertBox,
  convertPoint,
  pixels,
  VlmR1Error,
  type Box,
  type FrameOf,
  type ImageSize,
  type Point,
  type ScoredSample,
} from "@vlmr1/core";
import type { WrittenBox, WrittenPoint } from "./prose.ts";

/** How a model's coordinates are to be read. */
export interface FrameReading {
  /**
   * The frame that the model writes in, for an image of a given size: `pixels` (the default), `unit`,
   * `thousand`, or `(image) => resized(sizeAfterResizing(image), image)`. Targets are always in pixels of
   * the sample's image.
   */
  readonly frame?: FrameOf;
  /** Which of the sample's images the coordinates refer to, from 0. Default 0. */
  readonly image?: number;
}

/** The function that turns boxes of one sample from the model's frame into pixels. */
export function boxConverter(sample: ScoredSample, reading: FrameReading): (box: WrittenBox) => Box {
  const { frame } = reading;
  if (!frame || frame === pixels) return (box) => box;
  const size = imageSize(sample, reading.image ?? 0);
  const from = frame(size);
  const to = pixels(size);
  return (box) => convertBox(box, from, to);
}

/** A point of the model's frame in pixels of the sample's image. */
export function pointInPixels(point: WrittenPoint, sample: ScoredSample, reading: FrameReading): Point {
  const { frame } = reading;
  if (!frame || frame === pixels) return point;
  const size = imageSize(sample, reading.image ?? 0);
  return convertPoint(point, frame(size), pixels(size));
}

/**
 * The size of one of the sample's images. @throws VlmR1Error `invalid-data` when the sample has no such
 * image.
 */
export function imageSize(sample: ScoredSample, index: number): ImageSize {
  const size = sample.images[index];
  if (size) return size;
  throw new VlmR1Error(
    "invalid-data",
    `Sample "${sample.id}" has no image ${index}: give its size, or set the reward's \`image\` option.`,
  );
}
