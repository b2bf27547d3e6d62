import type { Box, ImageSize } from "@vlmr1/core";

/** One object of a drawn scene, with everything that is true of it. */
export interface SceneObject {
  /** The noun: "key". */
  readonly name: string;
  /** The colour word: "red". */
  readonly color: string;
  /** The exact box of its visible pixels, in pixels of the scene. */
  readonly box: Box;
}

/** What a drawn picture shows. Objects do not overlap or touch. */
export interface Scene extends ImageSize {
  readonly objects: readonly SceneObject[];
}

/** The middle along x, in pixels. */
export function centerX({ box }: SceneObject): number {
  return (box[0] + box[2]) / 2;
}

/** The middle along y, in pixels. */
export function centerY({ box }: SceneObject): number {
  return (box[1] + box[3]) / 2;
}

/**
 * How far two middles must be apart before words like "left of" or "second from the top" apply: 8 % of the shorter
 * side.
 */
export function margin(scene: ImageSize): number {
  return 0.08 * Math.min(scene.width, scene.height);
}
