import type { Scene } from "@vlmr1/data";

/** What an auxiliary head is to say about each image token, for one batch. N = images x tokens per image. */
export interface VisionLabels {
  /** 1 where an object covers the token. [N] */
  readonly present: Float32Array;
  /** Index of the object's colour and name; 0 where there is none. [N] */
  readonly color: Int32Array;
  readonly name: Int32Array;
  /** Corners of its box in whole pixels, 0..64. [N 4] */
  readonly corners: Int32Array;
}

/** Side of the picture that one image token sees, and the overlap in square pixels from which an object counts as seen. */
const tokenSide = 16;
const leastOverlap = 24;

/**
 * One object for each 16 x 16 cell of each scene: the one that covers most of it. Tokens are in raster order, as the merger gives them.
 *
 * @param colors the colour words, @param names the nouns: their order is the order of the head's classes.
 */
export function visionLabels(
  scenes: readonly Scene[],
  colors: readonly string[],
  names: readonly string[],
): VisionLabels {
  const columns = (scenes[0]?.width ?? 0) / tokenSide;
  const rows = (scenes[0]?.height ?? 0) / tokenSide;
  const count = scenes.length * rows * columns;
  const labels = {
    present: new Float32Array(count),
    color: new Int32Array(count),
    name: new Int32Array(count),
    corners: new Int32Array(count * 4),
  };
  scenes.forEach(({ objects }, s) => {
    for (let cell = 0; cell < rows * columns; cell++) {
      const left = (cell % columns) * tokenSide;
      const top = Math.floor(cell / columns) * tokenSide;
      const overlaps = objects.map(({ box: [x1, y1, x2, y2] }) => {
        const width = Math.min(x2, left + tokenSide) - Math.max(x1, left);
        const height = Math.min(y2, top + tokenSide) - Math.max(y1, top);
        return Math.max(0, width) * Math.max(0, height);
      });
      const most = Math.max(...overlaps);
      const seen = objects[overlaps.indexOf(most)];
      if (!seen || most < leastOverlap) continue;
      const token = s * rows * columns + cell;
      labels.present[token] = 1;
      labels.color[token] = colors.indexOf(seen.color);
      labels.name[token] = names.indexOf(seen.name);
      labels.corners.set(seen.box.map(Math.round), token * 4);
    }
  });
  return labels;
}
