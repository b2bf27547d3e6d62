import * as tf from "@tensorflow/tfjs-core";
import { type ImageSize, resizeImage, type RgbImage } from "@vlmr1/core";
import { z } from "zod";
import { centerOn, patchCoordinates, tilePatchRows, writeTile } from "../images/patches.ts";
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
import { linear, linearTensors } from "../network/linear.ts";
import { activationByName } from "../network/norm.ts";
import { consecutivePositions } from "../network/rotary.ts";
import { child, parameter, rootScope, type Scope } from "../network/scope.ts";
import type { TensorSpec } from "../network/tensors.ts";
import {
  checkAgreement,
  checkConfig,
  dimension,
  layerCount,
  parseConfig,
  tokenId,
} from "../weights/documents.ts";
import { decoderFields } from "./decoder-config.ts";
import type { Family } from "./family.ts";
import { siglipFields, siglipForward, siglipProblems, siglipSide, siglipTensors } from "./siglip.ts";
import { qwen2Decoder } from "./text-decoders.ts";

/** LLaVA-OneVision in the form of transformers (`…-hf`). https://arxiv.org/abs/2408.03326 */
export const llavaOnevision: Family = {
  modelTypes: ["llava_onevision"],
  boxFrame: "unit",
  // The released files; transformers 5 writes the same without `vision_model`.
  renames: [
    { from: "vision_tower.vision_model.", to: "model.vision_tower." },
    { from: "vision_tower.", to: "model.vision_tower." },
    { from: "model.vision_tower.vision_model.", to: "model.vision_tower." },
    { from: "multi_modal_projector.", to: "model.multi_modal_projector." },
    { from: "image_newline", to: "model.image_newline" },
    { from: "language_model.model.", to: "model.language_model." },
    { from: "language_model.lm_head.", to: "lm_head." },
  ],
  processor: llavaProcessor,
  architecture: (json): Architecture => {
    const config = parseLlavaConfig(json);
    return {
      modelType: "llava_onevision",
      decoder: llavaDecoder(config),
      vision: llavaVisionTower(config),
      tensors: llavaTensors(config),
      positions: (ids, images) => {
        checkImageTokens(ids, config.image_token_index, images);
        return consecutivePositions(ids.length);
      },
    };
  },
};

/** Heights and widths that pictures are fitted into; the classes' default is every multiple of 384 up to 6 x 6 tiles. */
const pinpoints = z
  .array(z.tuple([dimension, dimension]))
  .min(1)
  .max(1024);

const schema = z.looseObject({
  model_type: z.literal("llava_onevision"),
  image_token_index: tokenId.default(151646),
  projector_hidden_act: z.string().default("gelu"),
  vision_feature_layer: z.literal(-1).default(-1),
  vision_feature_select_strategy: z.literal("full").default("full"),
  /** How many tiles of features a picture may have before they are made fewer: `anyres_max_9` is 9. */
  vision_aspect_ratio: z
    .string()
    .regex(/^anyres_max_[1-9]\d{0,3}$/)
    .default("anyres_max_9")
    .transform((text) => Number(text.slice("anyres_max_".length))),
  multimodal_projector_bias: z.boolean().default(true),
  image_grid_pinpoints: pinpoints.nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: z.looseObject({ ...decoderFields.shape, model_type: z.literal("qwen2").default("qwen2") }),
  vision_config: z.looseObject({
    ...siglipFields.shape,
    model_type: z.literal("siglip_vision_model").default("siglip_vision_model"),
    intermediate_size: dimension.default(4304),
    num_hidden_layers: layerCount.default(26),
    image_size: dimension.default(384),
    patch_size: dimension.default(14),
  }),
});

type LlavaConfig = z.output<typeof schema>;

/** @throws VlmR1Error `invalid-data` that names the first field that is wrong. */
function parseLlavaConfig(json: unknown): LlavaConfig {
  const config = parseConfig(schema, json, "config.json");
  const tile = config.vision_config.image_size;
  checkConfig([
    ...siglipProblems(config.vision_config),
    [
      canvasesOf(config.image_grid_pinpoints).some(
        ([height, width]) => height % tile > 0 || width % tile > 0,
      ),
      `image_grid_pinpoints has a size that is not a multiple of the tower's ${tile} pixels`,
    ],
  ]);
  return config;
}

type Pinpoints = z.output<typeof pinpoints>;

function canvasesOf(given: Pinpoints | null | undefined): Pinpoints {
  const steps = [1, 2, 3, 4, 5, 6].map((tiles) => 384 * tiles);
  return given ?? steps.flatMap((height) => steps.map((width): [number, number] => [height, width]));
}

/** The Qwen2 decoder, with plain rotary positions. */
function llavaDecoder(config: LlavaConfig): DecoderConfig {
  const tiedHead = config.tie_word_embeddings || config.text_config.tie_word_embeddings || false;
  return qwen2Decoder(config.text_config, "model.language_model", tiedHead);
}

/** Every parameter of a LLaVA-OneVision checkpoint. */
function llavaTensors(config: LlavaConfig): TensorSpec[] {
  const { vision_config: vision, multimodal_projector_bias: bias } = config;
  const decoder = llavaDecoder(config);
  const projection = (name: string, inputs: number): TensorSpec[] =>
    linearTensors(`model.multi_modal_projector.${name}`, decoder.hiddenSize, inputs).slice(0, bias ? 2 : 1);
  return [
    { name: "model.image_newline", shape: [decoder.hiddenSize] },
    ...siglipTensors("model.vision_tower", vision),
    ...projection("linear_1", vision.hidden_size),
    ...projection("linear_2", decoder.hiddenSize),
    ...decoderTensors(decoder),
  ];
}

/**
 * Every tile through SigLIP and the projector; then the features of the whole picture, and below them those of its tiles as one
 * field, cut to the picture's own proportions, made smaller when it is too large, with a learned vector at the end of every row.
 */
function llavaVisionTower(config: LlavaConfig): VisionTower {
  return {
    prefixes: ["model.vision_tower", "model.multi_modal_projector", "model.image_newline"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_index,
    plan: (images) => planTiles(config, images),
    forward: (tensors, inputs, adapters) => encodeTiles(config, rootScope(tensors, adapters), inputs),
  };
}

/** The field of features of one picture. */
interface Field {
  /** Rows and columns of features on the canvas, padding included, and in the picture's own part. */
  readonly canvas: readonly [rows: number, columns: number];
  readonly inside: readonly [rows: number, columns: number];
  /** Rows and columns that the decoder sees. */
  readonly seen: readonly [rows: number, columns: number];
}

/** Source: `unpad_image` and `pack_image_features` of transformers. `side` is the number of features along a tile. */
function featureField(
  { width, height }: ImageSize,
  [tileRows, tileColumns]: readonly [number, number],
  side: number,
  maxTiles: number,
): Field {
  const [rows, columns] = [tileRows * side, tileColumns * side];
  const part = (length: number, other: number): number => Math.trunc(Number((length * other).toFixed(7)));
  const wide = width / height > columns / rows;
  const inside = wide
    ? ([rows - 2 * Math.floor((rows - part(height, columns / width)) / 2), columns] as const)
    : ([rows, columns - 2 * Math.floor((columns - part(width, rows / height)) / 2)] as const);
  const ratio = Math.sqrt((inside[0] * inside[1]) / (maxTiles * side ** 2));
  const shrink = (length: number): number => (ratio > 1.1 ? floorDivide(length, ratio) : length);
  return { canvas: [rows, columns], inside, seen: [shrink(inside[0]), shrink(inside[1])] };
}

/** Python's `a // b` for floats. */
function floorDivide(a: number, b: number): number {
  return Math.round((a - (a % b)) / b);
}

/** Two neighbours on an axis and the share of the second, as `interpolate(mode="bilinear")` of PyTorch samples. */
function neighbours(index: number, from: number, to: number): [first: number, second: number, share: number] {
  if (from === to) return [index, index, 0];
  const at = Math.max(0, ((index + 0.5) * from) / to - 0.5);
  const first = Math.min(Math.floor(at), from - 1);
  return [first, Math.min(first + 1, from - 1), at - first];
}

/** Patch rows of all tiles, and for each of R features that the decoder sees its four sources among the tiles' features. */
function planTiles(config: LlavaConfig, images: readonly ProcessedImage[]): VisionPlan {
  const { image_size: tile, patch_size: patch } = config.vision_config;
  const side = siglipSide(config.vision_config);
  const [count, width] = [side * side, 3 * patch * patch];
  const pixels = tilePatchRows(images, tile, patch, patchCoordinates([1, side, side], 1));
  const tiles = pixels.length / (count * width);
  const rows = images.reduce((sum, image) => sum + image.tokens, 0);
  const sources = new Int32Array(4 * rows); // [4 R]
  const shares = new Float32Array(4 * rows); // [4, R, 1]
  const starts: number[] = [];
  let [row, first] = [0, 0]; // next feature row; first feature of the picture's tiles
  const newline = tiles * count; // one row behind the features of all tiles
  for (const image of images) {
    starts.push(row);
    for (const corners of featureSources(image, side, config.vision_aspect_ratio)) {
      corners.forEach(([source, share], corner) => {
        sources[corner * rows + row] = source === "newline" ? newline : first + source;
        shares[corner * rows + row] = share;
      });
      row++;
    }
    first += (image.shape[0] as number) * count;
  }
  const inputs = {
    pixels: { data: pixels, shape: [tiles, count, width] },
    places: { data: Int32Array.from({ length: count }, (_, i) => i), shape: [count] },
    sources: { data: sources, shape: [4 * rows] },
    shares: { data: shares, shape: [4, rows, 1] },
  };
  return { inputs, starts, rows };
}

/** For each feature of one picture, up to four features of its tiles (numbered from the whole picture's first) and their shares. */
function* featureSources(
  { grid: [, tileRows, tileColumns], original }: ProcessedImage,
  side: number,
  maxTiles: number,
): Generator<readonly (readonly [source: number | "newline", share: number])[]> {
  for (let i = 0; i < side * side; i++) yield [[i, 1]];
  const field = featureField(original as ImageSize, [tileRows, tileColumns], side, maxTiles);
  const [top, left] = [(field.canvas[0] - field.inside[0]) / 2, (field.canvas[1] - field.inside[1]) / 2];
  const featureAt = (y: number, x: number): number => {
    const [line, column] = [y + top, x + left];
    const tile = 1 + Math.floor(line / side) * tileColumns + Math.floor(column / side); // tile 0 is the whole picture
    return (tile * side + (line % side)) * side + (column % side);
  };
  for (let y = 0; y < field.seen[0]; y++) {
    const [up, down, low] = neighbours(y, field.inside[0], field.seen[0]);
    for (let x = 0; x < field.seen[1]; x++) {
      const [before, after, right] = neighbours(x, field.inside[1], field.seen[1]);
      yield [
        [featureAt(up, before), (1 - low) * (1 - right)],
        [featureAt(up, after), (1 - low) * right],
        [featureAt(down, before), low * (1 - right)],
        [featureAt(down, after), low * right],
      ];
    }
    yield [["newline", 1]];
  }
}

/** `pixels` `[tiles, N, width]` to features `[R, D]`. */
function encodeTiles(
  config: LlavaConfig,
  root: Scope,
  inputs: Readonly<Record<string, tf.Tensor>>,
): VisionFeatures {
  const { pixels, places, sources, shares } = inputs as Record<
    "pixels" | "places" | "sources" | "shares",
    tf.Tensor
  >;
  const hidden = siglipForward(
    child(root, "model.vision_tower"),
    config.vision_config,
    pixels,
    places as tf.Tensor1D,
  );
  const projector = child(root, "model.multi_modal_projector");
  const inner = activationByName(config.projector_hidden_act)(linear(child(projector, "linear_1"), hidden));
  const features = linear(child(projector, "linear_2"), inner); // [tiles N, D]
  const newline = parameter(child(root, "model"), "image_newline"); // [D]
  const table = tf.concat([features, tf.reshape(newline, [1, -1])], 0); // [tiles N + 1, D]
  const rows = shares.shape[1] as number;
  const four = tf.reshape(tf.gather(table, sources as tf.Tensor1D), [4, rows, -1]); // [4, R, D]
  return { features: tf.sum(tf.mul(four, shares), 0) as tf.Tensor2D, deepstack: [] };
}

const preprocessorFields = z.looseObject({
  ...imageFields.shape,
  size: z
    .looseObject({
      height: dimension.nullish(),
      width: dimension.nullish(),
      shortest_edge: dimension.nullish(),
    })
    .nullish(),
  image_grid_pinpoints: pinpoints.nullish(),
});

/** The defaults of `LlavaOnevisionImageProcessor`. */
const DEFAULTS = {
  filter: "bicubic",
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

/**
 * The image processor of LLaVA-OneVision: the picture squeezed into one tile, then the picture fitted into the canvas that wastes
 * least, black around it, cut into tiles. Equal to `LlavaOnevisionImageProcessor` of transformers (Pillow back end) for pictures
 * given one by one or as a flat list.
 *
 * @throws VlmR1Error `invalid-data` when the files are of different models.
 */
function llavaProcessor(json: unknown, preprocessor: unknown, processor?: unknown): ImageProcessor {
  const config = parseLlavaConfig(json);
  const fields = parseConfig(preprocessorFields, preprocessor ?? {}, "preprocessor_config.json");
  const { image_size: tile } = config.vision_config;
  const side = siglipSide(config.vision_config);
  const canvases = canvasesOf(fields.image_grid_pinpoints);
  const { num_image_tokens: stated = side ** 2 } = (processor ?? {}) as { num_image_tokens?: unknown };
  const size = fields.size?.height ?? fields.size?.shortest_edge ?? 384;
  checkAgreement([
    [size !== tile, `preprocessor_config.json: size is ${size}, the tower of config.json takes ${tile}`],
    [
      canvases.join() !== canvasesOf(config.image_grid_pinpoints).join(),
      "image_grid_pinpoints of preprocessor_config.json and config.json differ",
    ],
    [
      stated !== side ** 2,
      `processor_config.json: num_image_tokens is ${String(stated)}, config.json makes ${side ** 2}`,
    ],
  ]);
  const filter = resizeFilter(fields, DEFAULTS);
  const levels = pixelLevels(normalization(fields, DEFAULTS));
  const layout = (image: ImageSize): ImageLayout => {
    checkAspectRatio(image);
    const [height, width] = bestResolution(image, canvases);
    const grid = [height / tile, width / tile] as const;
    const { seen } = featureField(image, grid, side, config.vision_aspect_ratio);
    return {
      shape: [1 + grid[0] * grid[1], 3, tile, tile],
      grid: [1, ...grid],
      tokens: side * side + seen[0] * (seen[1] + 1),
      resized: fitInto(image, { width, height }),
      original: { width: image.width, height: image.height },
    };
  };
  const process = (image: RgbImage): ProcessedImage => {
    const planned = layout(image);
    const [, rows, columns] = planned.grid;
    const pixels = new Float32Array(planned.shape.reduce((product, size) => product * size, 1)); // [tiles, 3, tile, tile]
    writeTile(
      pixels,
      0,
      resizeImage(image, { width: tile, height: tile }, filter),
      { x: 0, y: 0 },
      tile,
      levels,
    );
    const canvas = centerOn(resizeImage(image, planned.resized, filter), {
      width: columns * tile,
      height: rows * tile,
    });
    for (let index = 0; index < rows * columns; index++) {
      const corner = { x: (index % columns) * tile, y: Math.floor(index / columns) * tile };
      writeTile(pixels, 1 + index, canvas, corner, tile, levels);
    }
    return { ...planned, pixels };
  };
  return { placeholder: "<image>", layout, process, expand: ({ tokens }) => "<image>".repeat(tokens) };
}

/** Height and width of the canvas on which most of the picture's pixels survive; of equal ones the smallest. */
function bestResolution({ width, height }: ImageSize, canvases: Pinpoints): [height: number, width: number] {
  let best = canvases[0] as [number, number];
  let [most, least] = [0, Infinity];
  for (const [canvasHeight, canvasWidth] of canvases) {
    const scale = Math.min(canvasWidth / width, canvasHeight / height);
    const useful = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    const wasted = canvasWidth * canvasHeight - useful;
    if (useful > most || (useful === most && wasted < least)) {
      [most, least] = [useful, wasted];
      best = [canvasHeight, canvasWidth];
    }
  }
  return best;
}

/** The largest size of the same proportions inside a canvas. Source: `get_patch_output_size` of transformers. */
function fitInto({ width, height }: ImageSize, canvas: ImageSize): ImageSize {
  const [across, down] = [canvas.width / width, canvas.height / height];
  if (across < down)
    return { width: canvas.width, height: Math.min(Math.ceil(height * across), canvas.height) };
  return { width: Math.min(Math.ceil(width * down), canvas.width), height: canvas.height };
}
