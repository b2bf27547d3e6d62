import type { HostTensor, ProcessedImage } from "../../family.ts";
import { rotaryTables } from "../../layers/rotary.ts";
import { attentionWindows, type AttentionWindows } from "../../positions/attention-windows.ts";
import { mergedGrid } from "../../positions/patch-grid.ts";
import { visionRotaryAngles } from "../../positions/vision-rotary.ts";
import { type Qwen25VlConfig, windowSide } from "./config.ts";
import { HIDDEN } from "../../layers/attention.ts";

/** A batch of images whose patches lie window by window, every window padded to full size. */
export interface WindowPlan {
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** Windows of one image, padding included. */
  readonly windows: number;
  /** Merged cells of one image in the output, padding included. */
  readonly cells: number;
}

/**
 * Arranges I images as I x W windows of n patches, so that windowed blocks attend inside `[I W, n]` and full blocks
 * inside
 * `[I, W n]` without moving anything. Border windows are padded with hidden patches; `restore` brings the merged cells
 * back to row-major order.
 */
export function windowPlan(
  vision: Qwen25VlConfig["vision_config"],
  images: readonly ProcessedImage[],
): WindowPlan {
  const { patch_size: patch, spatial_merge_size: merge } = vision;
  const headDim = vision.hidden_size / vision.num_heads;
  const width = vision.in_channels * vision.temporal_patch_size * patch * patch;
  const theta = vision.rope_parameters?.rope_theta ?? 10_000;
  const cuts = images.map(({ grid }) => attentionWindows(grid, merge, vision.window_size, patch));
  const [unit, size] = [merge * merge, windowSide(vision) ** 2 * merge * merge]; // patches of a cell and of a window
  const windows = Math.max(...cuts.map((cut) => cut.bounds.length - 1));
  const cells = Math.max(...cuts.map((cut) => cut.order.length));
  const rows = images.length * windows * size;
  const pixels = new Float32Array(rows * width);
  const angles = new Float32Array((rows * headDim) / 2);
  const bias = new Float32Array(rows).fill(HIDDEN);
  const restore = new Int32Array(images.length * cells);
  images.forEach((image, i) => {
    const [, height, columns] = mergedGrid(image.grid, merge);
    const patchAngles = visionRotaryAngles(image.grid, merge, headDim, theta);
    eachCell(cuts[i]!, unit, (cell, window, place) => {
      const slot = (i * windows + window) * size + place * unit; // first patch of the cell
      pixels.set(image.pixels.subarray(cell * unit * width, (cell + 1) * unit * width), slot * width);
      const [from, to] = [(cell * unit * headDim) / 2, ((cell + 1) * unit * headDim) / 2];
      angles.set(patchAngles.subarray(from, to), (slot * headDim) / 2);
      bias.fill(0, slot, slot + unit);
      restore[i * cells + cell] = slot / unit;
    });
    restore.fill(0, i * cells + image.grid[0] * height * columns, (i + 1) * cells);
  });
  const rotary = rotaryTables(angles, headDim / 2);
  const [I, W] = [images.length, windows];
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [rows, width] },
    cos: { data: rotary.cos, shape: [I * W, 1, size, headDim] },
    sin: { data: rotary.sin, shape: [I * W, 1, size, headDim] },
    bias: { data: bias, shape: [I, W, 1, size] },
    restore: { data: restore, shape: [I * cells] },
  };
  return { inputs, windows, cells };
}

/** Visits the merged cells in window order: cell number, its window, its place in the window. */
function eachCell(
  { order, bounds }: AttentionWindows,
  unit: number,
  visit: (cell: number, window: number, place: number) => void,
): void {
  for (let window = 0; window + 1 < bounds.length; window++) {
    const [first, end] = [bounds[window]! / unit, bounds[window + 1]! / unit];
    for (let index = first; index < end; index++) visit(order[index]!, window, index - first);
  }
}
