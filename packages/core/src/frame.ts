import { VlmR1Error } from "./error.ts";

/** Width and height in pixels, both positive integers. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** The coordinate frames that datasets and models use. Mixing them up is the commonest mistake of the field. */
export type FrameKind = "pixels" | "unit" | "thousand" | "resized";

/**
 * What the numbers of a box mean.
 *
 * - `pixels`: pixels of the original image, 0..width and 0..height.
 * - `unit`: fractions of width and height, 0..1.
 * - `thousand`: thousandths of width and height, 0..1000 (Qwen3-VL, InternVL).
 * - `resized`: pixels of the image after the processor resized it from `original` (Qwen2.5-VL).
 */
export type Frame<Kind extends FrameKind = FrameKind> = Extract<
  | ({ readonly kind: "pixels" } & ImageSize)
  | { readonly kind: "unit" }
  | { readonly kind: "thousand" }
  | ({ readonly kind: "resized"; readonly original: ImageSize } & ImageSize),
  { readonly kind: Kind }
>;

/** Chooses the frame for one image: how a model's or a dataset's numbers are to be read when the image has this size. */
export type FrameOf<Kind extends FrameKind = FrameKind> = (image: ImageSize) => Frame<Kind>;

/** The frame of an image's own pixels. */
export function pixels(image: ImageSize): Frame<"pixels"> {
  return { kind: "pixels", width: positive(image.width, "width"), height: positive(image.height, "height") };
}

/** The frame of fractions, 0..1. */
export function unit(): Frame<"unit"> {
  return { kind: "unit" };
}

/** The frame of thousandths, 0..1000. */
export function thousand(): Frame<"thousand"> {
  return { kind: "thousand" };
}

/** The frame of the pixels of an image after it was resized from `original`. */
export function resized(image: ImageSize, original: ImageSize): Frame<"resized"> {
  return { ...pixels(image), kind: "resized", original: { width: original.width, height: original.height } };
}

/** How far a frame extends along x and y: the coordinates of the image's lower right corner. */
export function frameExtent(frame: Frame): readonly [width: number, height: number] {
  switch (frame.kind) {
    case "unit":
      return [1, 1];
    case "thousand":
      return [1000, 1000];
    default:
      return [frame.width, frame.height];
  }
}

/** The size of the original image that a frame knows, or undefined for the relative frames. */
export function originalSize(frame: Frame): ImageSize | undefined {
  if (frame.kind === "pixels") return frame;
  return frame.kind === "resized" ? frame.original : undefined;
}

function positive(value: number, name: string): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new VlmR1Error("invalid-argument", `A frame's ${name} must be a positive number, got ${value}.`);
}
