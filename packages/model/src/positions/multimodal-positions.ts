import { VlmR1Error } from "@vlmr1/core";
import type { Positions } from "../family.ts";

/** Size of one image in placeholders: frames, rows and columns after the merger. */
export type TokenGrid = readonly [frames: number, rows: number, columns: number];

/**
 * Multimodal rotary positions of one unpadded prompt (M-RoPE, Qwen2-VL, https://arxiv.org/abs/2409.12191, section 2.1).
 *
 * Text advances all three axes together. The placeholders of an image share its starting position on the time axis and
 * add their frame, row and column; the text after it continues at the start plus the longest side.
 *
 * Throws `VlmR1Error` (`invalid-argument`) when the placeholders in `ids` do not fit `grids`.
 */
export function multimodalPositions(
  ids: readonly number[],
  imageTokenId: number,
  grids: readonly TokenGrid[],
): Positions {
  const axes = [new Int32Array(ids.length), new Int32Array(ids.length), new Int32Array(ids.length)] as const; // each [T]
  let next = 0;
  let image = 0;
  let index = 0;
  while (index < ids.length) {
    const grid = ids[index] === imageTokenId ? grids[image] : undefined;
    if (ids[index] !== imageTokenId) {
      for (const axis of axes) axis[index] = next;
      next += 1;
      index += 1;
      continue;
    }
    if (!grid) throw mismatch(ids, imageTokenId, grids);
    const [frames, rows, columns] = grid;
    for (let i = 0; i < frames * rows * columns; i++, index++) {
      if (ids[index] !== imageTokenId) throw mismatch(ids, imageTokenId, grids);
      axes[0][index] = next + Math.floor(i / (rows * columns));
      axes[1][index] = next + (Math.floor(i / columns) % rows);
      axes[2][index] = next + (i % columns);
    }
    next += Math.max(frames, rows, columns);
    image += 1;
  }
  if (image !== grids.length) throw mismatch(ids, imageTokenId, grids);
  return { axes, next };
}

function mismatch(ids: readonly number[], imageTokenId: number, grids: readonly TokenGrid[]): VlmR1Error {
  const placeholders = ids.filter((id) => id === imageTokenId).length;
  const features = grids.map(([frames, rows, columns]) => frames * rows * columns);
  return new VlmR1Error(
    "invalid-argument",
    `The prompt has ${placeholders} image placeholders (token ${imageTokenId}), its ${grids.length} images need ` +
      `[${features.join(", ")}]. Give one image for each image part of the messages, in order.`,
  );
}

/** Positions 0, 1, 2, … on all three axes: prompts of text-only models and of families with plain RoPE. */
export function consecutivePositions(length: number): Positions {
  const axis = Int32Array.from({ length }, (_, index) => index);
  return { axes: [axis, axis, axis], next: length };
}
