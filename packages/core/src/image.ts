import type { ImageSize } from "./frame.ts";

/** A decoded picture. Loaders return it upright, without alpha, 8 bits a channel. */
export interface RgbImage extends ImageSize {
  /** [height, width, 3], row-major, RGB, 0..255. */
  readonly data: Uint8Array;
}
