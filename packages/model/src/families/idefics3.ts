import * as tf from "@tensorflow/tfjs-core";
import { type ImageSize, resizeImage, type RgbImage, VlmR1Error } from "@vlmr1/core";
import { z } from "zod";
import {
  patchCoordinates,
  type TileGeometry,
  tilePatchRows,
  tileStarts,
  writeTile,
} from "../images/patches.ts";
import {
  checkAspectRatio,
  checkImageTokens,
  imageFields,
  type ImageProcessor,
  normalization,
  pixelLevels,
  resizeFilter,
} from "../images/processor.ts";
import type {
  Architecture,
  ImageLayout,
  ProcessedImage,
  VisionFeatures,
  VisionPlan,
  VisionTower,
} from "../network/architecture.ts";
import { type DecoderConfig, decoderTensors } from "../network/decoder.ts";
import { linear } from "../network/linear.ts";
import { consecutivePositions } from "../network/rotary.ts";
import { child, rootScope, type Scope } from "../network/scope.ts";
import type { HostTensor, TensorSpec } from "../network/tensors.ts";
import { checkConfig, dimension, parseConfig, tokenId } from "../weights/documents.ts";
import type { Family } from "./family.ts";
import {
  siglipFields,
  siglipForward,
  siglipNorm,
  siglipProblems,
  siglipSide,
  siglipTensors,
} from "./siglip.ts";
import { llamaDecoder, llamaFields } from "./text-decoders.ts";

/** Idefics3 (https://arxiv.org/abs/2408.12637), SmolVLM and SmolVLM2 (https://arxiv.org/abs/2504.05299): one architecture. */
export const idefics3: Family = {
  modelTypes: ["idefics3", "smolvlm"],
  boxFrame: "unit",
  renames: [],
  processor: idefics3Processor,
  architecture: (json): Architecture => {
    const config = parseIdefics3Config(json);
    return {
      modelType: config.model_type,
      decoder: idefics3Decoder(config),
      vision: idefics3VisionTower(config),
      tensors: idefics3Tensors(config),
      positions: (ids, images) => {
        checkImageTokens(ids, config.image_token_id, images);
        return consecutivePositions(ids.length);
      },
    };
  },
};

const schema = z.looseObject({
  model_type: z.enum(["idefics3", "smolvlm"]),
  image_token_id: tokenId,
  scale_factor: dimension.default(2),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: z.looseObject({ ...llamaFields.shape, model_type: z.literal("llama").default("llama") }),
  vision_config: siglipFields,
});

/** `config.json` of an Idefics3, SmolVLM or SmolVLM2 checkpoint; fields that the computation does not need are not read. */
type Idefics3Config = z.output<typeof schema>;

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
function parseIdefics3Config(json: unknown): Idefics3Config {
  const config = parseConfig(schema, json, "config.json");
  const { vision_config: vision, scale_factor: scale } = config;
  checkConfig([
    ...siglipProblems(vision),
    [
      siglipSide(config.vision_config) % scale !== 0,
      `a tile has ${siglipSide(config.vision_config)} patches a side, not a multiple of scale_factor ${scale}`,
    ],
  ]);
  return config;
}

/** Features of one tile. */
function tileTokens(config: Idefics3Config): number {
  return (siglipSide(config.vision_config) / config.scale_factor) ** 2;
}

/** The Llama decoder (SmolLM2) of Idefics3 and SmolVLM. */
function idefics3Decoder(config: Idefics3Config): DecoderConfig {
  const tiedHead = config.tie_word_embeddings ?? config.text_config.tie_word_embeddings ?? false;
  return llamaDecoder(config.text_config, "model.text_model", tiedHead);
}

/** Every parameter of an Idefics3 or SmolVLM checkpoint. */
function idefics3Tensors(config: Idefics3Config): TensorSpec[] {
  const vision = config.vision_config;
  const decoder = idefics3Decoder(config);
  return [
    ...siglipTensors("model.vision_model", vision),
    {
      name: "model.connector.modality_projection.proj.weight",
      shape: [decoder.hiddenSize, vision.hidden_size * config.scale_factor ** 2],
    },
    ...decoderTensors(decoder),
  ];
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

/**
 * The SigLIP tower of Idefics3 and SmolVLM (https://arxiv.org/abs/2408.12637, https://arxiv.org/abs/2504.05299): every tile is
 * encoded by itself, then squares of patches are joined (pixel shuffle) and projected to the width of the decoder.
 */
function idefics3VisionTower(config: Idefics3Config): VisionTower {
  return {
    prefixes: ["model.vision_model", "model.connector"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planTiles(config, images),
    forward: (tensors, inputs, adapters) => encodeTiles(config, rootScope(tensors, adapters), inputs),
  };
}

/**
 * Cuts all tiles into patch rows. The patches of a square that the connector joins follow each other, so that its pixel shuffle
 * is a reshape; attention does not mind the order, and each patch takes its own row of the position table.
 */
function planTiles(config: Idefics3Config, images: readonly ProcessedImage[]): VisionPlan {
  const { image_size: tile, patch_size: patch } = config.vision_config;
  const side = siglipSide(config.vision_config);
  const patches = patchCoordinates([1, side, side], config.scale_factor);
  const pixels = tilePatchRows(images, tile, patch, patches);
  const { starts, rows } = tileStarts(images, tileTokens(config));
  const count = side * side;
  const width = 3 * patch * patch;
  const places = patches.rows.map((row, at) => row * side + patches.columns[at]!);
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [pixels.length / (count * width), count, width] },
    places: { data: places, shape: [count] },
  };
  return { inputs, starts, rows };
}

/** `pixels` `[tiles, N, width]` to features `[tiles N / scale^2, D]`. */
function encodeTiles(config: Idefics3Config, root: Scope, inputs: Inputs): VisionFeatures {
  const vision = config.vision_config;
  const scope = child(root, "model.vision_model");
  const { pixels, places } = inputs as Record<"pixels" | "places", tf.Tensor>;
  const hidden = siglipForward(scope, vision, pixels, places as tf.Tensor1D); // [tiles N, D]
  const normal = siglipNorm(scope, vision, hidden);
  const joined = tf.reshape(normal, [-1, vision.hidden_size * config.scale_factor ** 2]); // [tiles N / scale^2, scale^2 D]
  const projection = child(root, "model.connector.modality_projection.proj");
  return { features: linear(projection, joined) as tf.Tensor2D, deepstack: [] };
}

/**
 * The image processor of Idefics3, SmolVLM and SmolVLM2 from parsed `config.json`, `preprocessor_config.json` and
 * `processor_config.json`.
 *
 * @throws VlmR1Error `invalid-data` when the files are of different models.
 */
function idefics3Processor(config: unknown, preprocessor: unknown, processor?: unknown): ImageProcessor {
  const parsed = parseIdefics3Config(config);
  const tokens = tileTokens(parsed);
  const { image_seq_len: stated } = (processor ?? {}) as { image_seq_len?: unknown };
  if (typeof stated === "number" && stated !== tokens) {
    throw new VlmR1Error(
      "invalid-data",
      `processor_config.json: image_seq_len is ${stated}, but config.json makes ${tokens} features of a tile. The files are of different models.`,
    );
  }
  return tileProcessor(preprocessor, { imageSize: parsed.vision_config.image_size, tokensPerTile: tokens });
}

const edge = z.looseObject({ longest_edge: dimension.max(1 << 14) }).nullish();

const preprocessorFields = z.looseObject({
  ...imageFields.shape,
  do_image_splitting: z.boolean().nullish(),
  size: edge,
  max_image_size: edge,
});

/** The defaults of `Idefics3ImageProcessor`. */
const DEFAULTS = { filter: "lanczos", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;

/**
 * The image processor of Idefics3, SmolVLM and SmolVLM2: an enlarged image cut into square tiles, the whole image as the last
 * one. Equal to `Idefics3ImageProcessor` and `SmolVLMImageProcessor` of transformers (Pillow back end).
 *
 * Throws `VlmR1Error` (`invalid-data`) when `preprocessor_config.json` contradicts the tower.
 */
export function tileProcessor(preprocessor: unknown, tower: TileGeometry): ImageProcessor {
  const config = parseConfig(preprocessorFields, preprocessor ?? {}, "preprocessor_config.json");
  const tile = config.max_image_size?.longest_edge ?? tower.imageSize;
  if (tile !== tower.imageSize) {
    throw new VlmR1Error(
      "invalid-data",
      `preprocessor_config.json: max_image_size is ${tile}, the vision tower of config.json takes tiles of ${tower.imageSize} pixels.`,
    );
  }
  const longestEdge = config.size?.longest_edge ?? 4 * tile;
  const filter = resizeFilter(config, DEFAULTS);
  const levels = pixelLevels(normalization(config, DEFAULTS));
  const split = config.do_image_splitting ?? true;
  const layout = (image: ImageSize): ImageLayout => {
    checkAspectRatio(image);
    const { squared, rows, columns } = tileGrid(image, longestEdge, tile, split);
    const tiles = rows * columns + 1;
    return {
      shape: [tiles, 3, tile, tile],
      grid: [1, rows, columns],
      tokens: tiles * tower.tokensPerTile,
      resized: squared,
    };
  };
  const process = (image: RgbImage): ProcessedImage => {
    const planned = layout(image);
    const { scaled, squared, rows, columns } = tileGrid(image, longestEdge, tile, split);
    const whole = resizeImage(resizeImage(image, scaled, filter), squared, filter);
    const last = resizeImage(whole, { width: tile, height: tile }, filter);
    const pixels = new Float32Array((rows * columns + 1) * 3 * tile * tile); // [tiles, 3, tile, tile]
    for (let index = 0; index < rows * columns; index++) {
      const corner = { x: (index % columns) * tile, y: Math.floor(index / columns) * tile };
      writeTile(pixels, index, whole, corner, tile, levels);
    }
    writeTile(pixels, rows * columns, last, { x: 0, y: 0 }, tile, levels);
    return { ...planned, pixels };
  };
  return {
    placeholder: "<image>",
    layout,
    process,
    expand: (image) => tilePrompt(image.grid, tower.tokensPerTile),
  };
}

/**
 * The text that replaces `<image>`: every tile announced by its row and column, a line break after each row, the whole image
 * last. Source: `get_image_prompt_string` of `processing_smolvlm.py`.
 */
export function tilePrompt([, rows, columns]: ImageLayout["grid"], tokensPerTile: number): string {
  const fence = "<fake_token_around_image>";
  const content = "<image>".repeat(tokensPerTile);
  const whole = `${fence}<global-img>${content}${fence}`;
  if (rows === 0 && columns === 0) return whole;
  let text = "";
  for (let row = 1; row <= rows; row++) {
    for (let column = 1; column <= columns; column++) text += `${fence}<row_${row}_col_${column}>${content}`;
    text += "\n";
  }
  return `${text}\n${whole}`;
}

/** How a tiled family cuts one image. */
interface TileGrid {
  /** First resize: the longest edge has its final length. */
  readonly scaled: ImageSize;
  /** Second resize: both sides multiples of the tile; equal to one tile when the image is not split. */
  readonly squared: ImageSize;
  /** Tiles in each direction; 0 and 0 when the image is not split. */
  readonly rows: number;
  readonly columns: number;
}

/** Sides above this are never made. */
const MAX_SIDE = 4096;

/**
 * The tiles of one image in Idefics3 and SmolVLM: scaled so that the longest edge is `longestEdge`, stretched to whole tiles of
 * `tile` pixels, and cut. With `split` false, or when one tile is enough, only the whole image squeezed into one tile remains.
 *
 * Source: `Idefics3ImageProcessor`: `get_resize_output_image_size`, `resize_for_vision_encoder`, `split_image`.
 */
export function tileGrid(size: ImageSize, longestEdge: number, tile: number, split: boolean): TileGrid {
  const scaled = belowMaximum(toLongestEdge(size, longestEdge));
  if (!split) return { scaled, squared: { width: tile, height: tile }, rows: 0, columns: 0 };
  const squared = toWholeTiles(scaled, tile);
  const single = squared.width <= tile && squared.height <= tile;
  return {
    scaled,
    squared,
    rows: single ? 0 : squared.height / tile,
    columns: single ? 0 : squared.width / tile,
  };
}

function toLongestEdge({ width, height }: ImageSize, edge: number): ImageSize {
  const ratio = width / height;
  if (width >= height) return { width: edge, height: Math.max(1, evenUp(Math.trunc(edge / ratio))) };
  return { width: Math.max(1, evenUp(Math.trunc(edge * ratio))), height: edge };
}

function belowMaximum({ width, height }: ImageSize): ImageSize {
  const ratio = width / height;
  if (width >= height && width > MAX_SIDE)
    return { width: MAX_SIDE, height: Math.max(1, Math.trunc(MAX_SIDE / ratio)) };
  if (height > width && height > MAX_SIDE)
    return { width: Math.max(1, Math.trunc(MAX_SIDE * ratio)), height: MAX_SIDE };
  return { width, height };
}

function toWholeTiles({ width, height }: ImageSize, tile: number): ImageSize {
  const ratio = width / height;
  const whole = (side: number): number => Math.ceil(side / tile) * tile;
  if (width >= height) return { width: whole(width), height: whole(Math.trunc(whole(width) / ratio)) };
  return { width: whole(Math.trunc(whole(height) * ratio)), height: whole(height) };
}

function evenUp(value: number): number {
  return value + (value % 2);
}
