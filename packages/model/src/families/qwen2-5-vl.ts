import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { mergedGrid, type PatchGrid } from "../images/patches.ts";
import type {
  Architecture,
  ProcessedImage,
  VisionFeatures,
  VisionPlan,
  VisionTower,
} from "../network/architecture.ts";
import { HIDDEN, type VisionAttention } from "../network/attention.ts";
import { decoderTensors } from "../network/decoder.ts";
import { linear, linearTensors } from "../network/linear.ts";
import { activationByName, rmsNorm } from "../network/norm.ts";
import { rotaryTables } from "../network/rotary.ts";
import { child, rootScope, type Scope } from "../network/scope.ts";
import type { HostTensor, TensorSpec } from "../network/tensors.ts";
import { checkConfig, dimension, parseConfig } from "../weights/documents.ts";
import type { Family } from "./family.ts";
import {
  embedPatches,
  fusedAttention,
  imagePositions,
  mergeCells,
  mergerTensors,
  nestText,
  outerFields,
  patchEmbedding,
  patchWidth,
  qwenTowerFields,
  qwenVlDecoder,
  qwenVlRenames,
  towerProcessor,
  towerTheta,
  visionRotaryAngles,
} from "./qwen-vision.ts";

/** Qwen2.5-VL, the model of the VLM-R1 paper. Technical report: https://arxiv.org/abs/2502.13923. */
export const qwen25Vl: Family = {
  modelTypes: ["qwen2_5_vl"],
  boxFrame: "resized",
  renames: qwenVlRenames,
  processor: (config, preprocessor) =>
    towerProcessor(preprocessor, parseQwen25VlConfig(config).vision_config),
  architecture: (json): Architecture => {
    const config = parseQwen25VlConfig(json);
    return {
      modelType: "qwen2_5_vl",
      decoder: qwenVlDecoder(config),
      vision: qwen25VisionTower(config),
      tensors: qwen25VlTensors(config),
      positions: imagePositions(config.image_token_id, config.vision_config.spatial_merge_size),
    };
  },
};

const visionFields = z.looseObject({
  ...qwenTowerFields.shape,
  hidden_size: dimension,
  intermediate_size: dimension.default(3420),
  hidden_act: z.string().default("silu"),
  out_hidden_size: dimension,
  window_size: dimension.default(112),
  fullatt_block_indexes: z.array(z.int().min(0)).default([7, 15, 23, 31]),
});

const schema = z.looseObject({
  ...outerFields.shape,
  model_type: z.literal("qwen2_5_vl"),
  vision_config: visionFields,
});

/** `config.json` of a Qwen2.5-VL checkpoint; fields that the computation does not need are not read. */
type Qwen25VlConfig = z.output<typeof schema>;

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
function parseQwen25VlConfig(json: unknown): Qwen25VlConfig {
  const config = parseConfig(schema, nestText(json), "config.json");
  const { text_config: text, vision_config: vision } = config;
  checkConfig([
    [
      vision.hidden_size % (4 * vision.num_heads) !== 0,
      "vision hidden_size is not a multiple of 4 num_heads",
    ],
    [
      vision.out_hidden_size !== text.hidden_size,
      "out_hidden_size differs from the hidden_size of the text model",
    ],
    [windowSide(vision) < 1, "window_size is smaller than one merged patch"],
  ]);
  return config;
}

/** Side of an attention window in merged cells. */
function windowSide(vision: Qwen25VlConfig["vision_config"]): number {
  return Math.floor(Math.floor(vision.window_size / vision.spatial_merge_size) / vision.patch_size);
}

/** Every parameter of a Qwen2.5-VL checkpoint. */
function qwen25VlTensors(config: Qwen25VlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const { hidden_size: width, intermediate_size: inner } = vision;
  const block = (at: string): TensorSpec[] => [
    { name: `${at}.norm1.weight`, shape: [width] },
    { name: `${at}.norm2.weight`, shape: [width] },
    ...linearTensors(`${at}.attn.qkv`, 3 * width, width),
    ...linearTensors(`${at}.attn.proj`, width, width),
    ...linearTensors(`${at}.mlp.gate_proj`, inner, width),
    ...linearTensors(`${at}.mlp.up_proj`, inner, width),
    ...linearTensors(`${at}.mlp.down_proj`, width, inner),
  ];
  return [
    patchEmbedding(vision, width),
    ...Array.from({ length: vision.depth }, (_, i) => block(`model.visual.blocks.${i}`)).flat(),
    { name: "model.visual.merger.ln_q.weight", shape: [width] },
    ...mergerTensors(vision, width, vision.out_hidden_size),
    ...decoderTensors(qwenVlDecoder(config)),
  ];
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

type VisionConfig = Qwen25VlConfig["vision_config"];

const RMS_NORM_EPS = 1e-6;

/**
 * The Qwen2.5-VL tower: patches, blocks with 2-D rotary positions that attend inside windows or, a few, inside the whole image,
 * and a merger. https://arxiv.org/abs/2502.13923, section 2.1.
 */
function qwen25VisionTower(config: Qwen25VlConfig): VisionTower {
  const vision = config.vision_config;
  return {
    prefixes: ["model.visual"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planImages(vision, images),
    forward: (tensors, inputs, adapters) => encodeImages(vision, rootScope(tensors, adapters), inputs),
  };
}

function planImages(vision: VisionConfig, images: readonly ProcessedImage[]): VisionPlan {
  const { inputs, cells } = windowPlan(vision, images);
  return { inputs, starts: images.map((_, i) => i * cells), rows: images.length * cells };
}

/** `pixels` `[I W n, width]`, window by window, to features `[I cells, D]` in row-major order. */
function encodeImages(vision: VisionConfig, root: Scope, inputs: Inputs): VisionFeatures {
  const scope = child(root, "model.visual");
  const { pixels, cos, sin, bias, restore } = inputs as Record<
    "pixels" | "cos" | "sin" | "bias" | "restore",
    tf.Tensor
  >;
  const [I, W, , n] = bias.shape as [number, number, number, number];
  const whole = (table: tf.Tensor) => tf.reshape(table, [I, 1, W * n, table.shape[3] as number]);
  const heads = vision.num_heads;
  const windowed: VisionAttention = {
    heads,
    images: I * W,
    bias: tf.reshape(bias, [I * W, 1, 1, n]),
    rotary: { cos, sin },
  };
  const full: VisionAttention = {
    heads,
    images: I,
    bias: tf.reshape(bias, [I, 1, 1, W * n]),
    rotary: { cos: whole(cos), sin: whole(sin) },
  };
  let x = embedPatches(scope, pixels); // [I W n, D]
  for (let i = 0; i < vision.depth; i++) {
    x = block(
      child(scope, `blocks.${i}`),
      vision,
      x,
      vision.fullatt_block_indexes.includes(i) ? full : windowed,
    );
  }
  const normal = rmsNorm(child(scope, "merger.ln_q"), x, RMS_NORM_EPS);
  const merged = mergeCells(child(scope, "merger"), normal, vision.spatial_merge_size); // [I W n / merge^2, D]
  return { features: tf.gather(merged, restore as tf.Tensor1D) as tf.Tensor2D, deepstack: [] };
}

function block(scope: Scope, vision: VisionConfig, x: tf.Tensor, attention: VisionAttention): tf.Tensor {
  const normal = rmsNorm(child(scope, "norm1"), x, RMS_NORM_EPS);
  const middle = tf.add(x, fusedAttention(child(scope, "attn"), normal, attention));
  const ready = rmsNorm(child(scope, "norm2"), middle, RMS_NORM_EPS);
  const mlp = child(scope, "mlp");
  const gate = activationByName(vision.hidden_act)(linear(child(mlp, "gate_proj"), ready));
  const inner = tf.mul(gate, linear(child(mlp, "up_proj"), ready));
  return tf.add(middle, linear(child(mlp, "down_proj"), inner));
}

/** A batch of images whose patches lie window by window, every window padded to full size. */
interface WindowPlan {
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** Windows of one image, padding included. */
  readonly windows: number;
  /** Merged cells of one image in the output, padding included. */
  readonly cells: number;
}

/**
 * Arranges I images as I x W windows of n patches, so that windowed blocks attend inside `[I W, n]` and full blocks inside
 * `[I, W n]` without moving anything. Border windows are padded with hidden patches; `restore` brings the merged cells back to
 * row-major order.
 */
function windowPlan(vision: Qwen25VlConfig["vision_config"], images: readonly ProcessedImage[]): WindowPlan {
  const { patch_size: patch, spatial_merge_size: merge } = vision;
  const headDim = vision.hidden_size / vision.num_heads;
  const [width, theta] = [patchWidth(vision), towerTheta(vision)];
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

/** How a windowed tower (Qwen2.5-VL) reorders one image. */
interface AttentionWindows {
  /** Merged cell at each place of the window order, `[N / merge^2]`. */
  readonly order: Int32Array;
  /** First patch of each window and the end, in window order: `cu_window_seqlens` of transformers. */
  readonly bounds: readonly number[];
}

/**
 * Cuts the merged cells of one image into windows of `windowSize` pixels (Qwen2.5-VL, https://arxiv.org/abs/2502.13923, section
 * 2.1.1). Windows at the right and bottom border may be smaller; empty ones are left out.
 */
export function attentionWindows(
  grid: PatchGrid,
  merge: number,
  windowSize: number,
  patchSize: number,
): AttentionWindows {
  const [frames, rows, columns] = [grid[0], grid[1] / merge, grid[2] / merge];
  const side = Math.floor(Math.floor(windowSize / merge) / patchSize);
  const order = new Int32Array(frames * rows * columns);
  const bounds = [0];
  let place = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let top = 0; top < rows; top += side) {
      for (let left = 0; left < columns; left += side) {
        for (let row = top; row < Math.min(top + side, rows); row++) {
          for (let column = left; column < Math.min(left + side, columns); column++) {
            order[place++] = (frame * rows + row) * columns + column;
          }
        }
        bounds.push(place * merge * merge);
      }
    }
  }
  return { order, bounds };
}
