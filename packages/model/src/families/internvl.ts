import * as tf from "@tensorflow/tfjs-core";
import { type ImageSize, resizeImage, type RgbImage } from "@vlmr1/core";
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
import { visionAttention } from "../network/attention.ts";
import { type DecoderConfig, decoderTensors } from "../network/decoder.ts";
import { linear, linearTensors } from "../network/linear.ts";
import { activationByName, layerNorm, layerNormTensors } from "../network/norm.ts";
import { consecutivePositions } from "../network/rotary.ts";
import { child, parameter, rootScope, type Scope } from "../network/scope.ts";
import type { HostTensor, TensorSpec } from "../network/tensors.ts";
import {
  checkAgreement,
  checkConfig,
  dimension,
  layerCount,
  parseConfig,
  positive,
  tokenId,
} from "../weights/documents.ts";
import { decoderFields } from "./decoder-config.ts";
import type { Family } from "./family.ts";
import { qwen2Decoder, qwen3Decoder } from "./text-decoders.ts";

/** InternVL 2.5, 3 and 3.5 in the form of transformers (`…-hf`). InternVL3: https://arxiv.org/abs/2504.10479. */
export const internVl: Family = {
  modelTypes: ["internvl"],
  boxFrame: "thousand",
  // The names of the first releases in the form of transformers.
  renames: [
    { from: "language_model.model.", to: "model.language_model." },
    { from: "language_model.lm_head.", to: "lm_head." },
    { from: "vision_tower.", to: "model.vision_tower." },
    { from: "multi_modal_projector.", to: "model.multi_modal_projector." },
  ],
  processor: internVlProcessor,
  architecture: (json): Architecture => {
    const config = parseInternVlConfig(json);
    return {
      modelType: "internvl",
      decoder: internVlDecoder(config),
      vision: internVlVisionTower(config),
      tensors: internVlTensors(config),
      positions: (ids, images) => {
        checkImageTokens(ids, config.image_token_id, images);
        return consecutivePositions(ids.length);
      },
    };
  },
};

/** A side, or a height and a width that must be equal. */
const side = dimension
  .or(z.array(dimension).length(2))
  .transform((value) => (Array.isArray(value) ? value : [value, value]));

const visionFields = z.looseObject({
  hidden_size: dimension.default(1024),
  intermediate_size: dimension.default(4096),
  num_hidden_layers: layerCount.default(24),
  num_attention_heads: dimension.default(16),
  num_channels: z.literal(3).default(3),
  image_size: side.default([448, 448]),
  patch_size: side.default([14, 14]),
  hidden_act: z.string().default("gelu"),
  layer_norm_eps: positive.default(1e-6),
  attention_bias: z.boolean().default(false),
  norm_type: z
    .literal("layer_norm", "the tower of the 6B vision model is not supported")
    .default("layer_norm"),
  use_qk_norm: z.literal(false, "the tower of the 6B vision model is not supported").default(false),
  use_absolute_position_embeddings: z.literal(true).default(true),
  use_mean_pooling: z.literal(true).default(true),
});

const schema = z.looseObject({
  model_type: z.literal("internvl"),
  image_token_id: tokenId.default(151667),
  downsample_ratio: positive.default(0.5),
  projector_hidden_act: z.string().default("gelu"),
  vision_feature_layer: z.literal(-1).default(-1),
  vision_feature_select_strategy: z.literal("default").default("default"),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: z.looseObject({
    ...decoderFields.shape,
    model_type: z.enum(["qwen2", "qwen3"]).default("qwen2"),
  }),
  vision_config: visionFields,
});

/** `config.json` of an InternVL checkpoint in the form of transformers (`…-hf`). */
type InternVlConfig = z.output<typeof schema>;

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
function parseInternVlConfig(json: unknown): InternVlConfig {
  const config = parseConfig(schema, json, "config.json");
  const { vision_config: vision } = config;
  checkConfig([
    [
      vision.hidden_size % vision.num_attention_heads !== 0,
      "vision hidden_size is not a multiple of num_attention_heads",
    ],
    [vision.image_size[0] !== vision.image_size[1], "image_size is not a square"],
    [vision.patch_size[0] !== vision.patch_size[1], "patch_size is not a square"],
    [tileSize(config) % patchSize(config) !== 0, "image_size is not a multiple of patch_size"],
    [
      !Number.isInteger(shuffleFactor(config)),
      `downsample_ratio ${config.downsample_ratio} is not one over a whole number`,
    ],
    [
      patchSide(config) % shuffleFactor(config) !== 0,
      "the patches of a tile cannot be joined by downsample_ratio",
    ],
  ]);
  return config;
}

/** Side of a tile in pixels. */
function tileSize({ vision_config: vision }: InternVlConfig): number {
  return vision.image_size[0]!;
}

/** Side of a patch in pixels. */
function patchSize({ vision_config: vision }: InternVlConfig): number {
  return vision.patch_size[0]!;
}

/** Patches along one side of a tile. */
function patchSide(config: InternVlConfig): number {
  return tileSize(config) / patchSize(config);
}

/** Side, in patches, of the square that becomes one token. */
function shuffleFactor(config: InternVlConfig): number {
  return 1 / config.downsample_ratio;
}

/** Features of one tile. */
function tileTokens(config: InternVlConfig): number {
  return (patchSide(config) / shuffleFactor(config)) ** 2;
}

/** The decoder of InternVL 2.5 and 3 (Qwen2) or 3.5 (Qwen3), with plain rotary positions. */
function internVlDecoder(config: InternVlConfig): DecoderConfig {
  const text = config.text_config;
  const prefix = "model.language_model";
  const tiedHead = config.tie_word_embeddings ?? text.tie_word_embeddings ?? false;
  if (text.model_type === "qwen2") return qwen2Decoder(text, prefix, tiedHead);
  return qwen3Decoder(text, prefix, tiedHead, { defaultTheta: 10_000, defaultContext: 32_768 });
}

/** Every parameter of an InternVL checkpoint. */
function internVlTensors(config: InternVlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const { hidden_size: width, intermediate_size: inner } = vision;
  const patch = patchSize(config);
  const root = "model.vision_tower";
  const projector = "model.multi_modal_projector";
  const joined = width * shuffleFactor(config) ** 2;
  const decoder = internVlDecoder(config);
  const projection = (name: string): TensorSpec[] =>
    linearTensors(name, width, width).slice(0, vision.attention_bias ? 2 : 1);
  const layer = (at: string): TensorSpec[] => [
    { name: `${at}.lambda_1`, shape: [width] },
    { name: `${at}.lambda_2`, shape: [width] },
    ...["q_proj", "k_proj", "v_proj"].flatMap((name) => projection(`${at}.attention.${name}`)),
    ...linearTensors(`${at}.attention.projection_layer`, width, width),
    ...linearTensors(`${at}.mlp.fc1`, inner, width),
    ...linearTensors(`${at}.mlp.fc2`, width, inner),
    ...layerNormTensors(`${at}.layernorm_before`, width),
    ...layerNormTensors(`${at}.layernorm_after`, width),
  ];
  return [
    { name: `${root}.embeddings.cls_token`, shape: [1, 1, width] },
    { name: `${root}.embeddings.position_embeddings`, shape: [1, 1 + patchSide(config) ** 2, width] },
    { name: `${root}.embeddings.patch_embeddings.projection.weight`, shape: [width, 3, patch, patch] },
    { name: `${root}.embeddings.patch_embeddings.projection.bias`, shape: [width] },
    ...Array.from({ length: vision.num_hidden_layers }, (_, i) => layer(`${root}.encoder.layer.${i}`)).flat(),
    ...layerNormTensors(`${projector}.layer_norm`, joined),
    ...linearTensors(`${projector}.linear_1`, decoder.hiddenSize, joined),
    ...linearTensors(`${projector}.linear_2`, decoder.hiddenSize, decoder.hiddenSize),
    ...decoderTensors(decoder),
  ];
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

type VisionConfig = InternVlConfig["vision_config"];

/** The projector's norm was made without the epsilon of the configuration. */
const PROJECTOR_EPS = 1e-5;

/**
 * InternViT and the projector of InternVL (https://arxiv.org/abs/2504.10479): every tile by itself, with a class token and scaled
 * residuals; squares of patches are joined (pixel shuffle) and projected to the width of the decoder.
 */
function internVlVisionTower(config: InternVlConfig): VisionTower {
  return {
    prefixes: ["model.vision_tower", "model.multi_modal_projector"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planTiles(config, images),
    forward: (tensors, inputs, adapters) => encodeTiles(config, rootScope(tensors, adapters), inputs),
  };
}

/** Patch rows of all tiles; the patches of a square that is joined follow each other. Place 0 is the class token's. */
function planTiles(config: InternVlConfig, images: readonly ProcessedImage[]): VisionPlan {
  const side = patchSide(config);
  const patch = patchSize(config);
  const patches = patchCoordinates([1, side, side], shuffleFactor(config));
  const pixels = tilePatchRows(images, tileSize(config), patch, patches);
  const width = 3 * patch * patch;
  const places = Int32Array.from([
    0,
    ...patches.rows.map((row, at) => 1 + row * side + patches.columns[at]!),
  ]);
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [pixels.length / (side * side * width), side * side, width] },
    places: { data: places, shape: [places.length] },
  };
  return { inputs, ...tileStarts(images, tileTokens(config)) };
}

/** `pixels` `[tiles, N, width]` to features `[tiles N / factor^2, D]`. */
function encodeTiles(config: InternVlConfig, root: Scope, inputs: Inputs): VisionFeatures {
  const vision = config.vision_config;
  const scope = child(root, "model.vision_tower");
  const { pixels, places } = inputs as Record<"pixels" | "places", tf.Tensor>;
  const [tiles, count] = pixels.shape as [number, number, number];
  const D = vision.hidden_size;
  let x = embedPatches(child(scope, "embeddings"), pixels, places as tf.Tensor1D); // [tiles (N + 1), D]
  for (let i = 0; i < vision.num_hidden_layers; i++)
    x = layer(child(scope, `encoder.layer.${i}`), vision, x, tiles);
  const patches = tf.slice(tf.reshape(x, [tiles, count + 1, D]), [0, 1, 0], [tiles, count, D]); // without the class token
  const joined = tf.reshape(patches, [-1, D * shuffleFactor(config) ** 2]); // [tiles N / factor^2, factor^2 D]
  const projector = child(root, "model.multi_modal_projector");
  const normal = layerNorm(child(projector, "layer_norm"), joined, PROJECTOR_EPS);
  const inner = activationByName(config.projector_hidden_act)(linear(child(projector, "linear_1"), normal));
  return { features: linear(child(projector, "linear_2"), inner) as tf.Tensor2D, deepstack: [] };
}

/** A convolution whose stride is its size, the class token in front, plus learned positions. */
function embedPatches(scope: Scope, pixels: tf.Tensor, places: tf.Tensor1D): tf.Tensor {
  const [tiles, count, width] = pixels.shape as [number, number, number];
  const projection = child(scope, "patch_embeddings.projection");
  const kernel = parameter(projection, "weight");
  const D = kernel.shape[0] as number;
  const flat = tf.matMul(tf.reshape(pixels, [-1, width]), tf.reshape(kernel, [D, width]), false, true); // [tiles N, D]
  const patches = tf.reshape(tf.add(flat, parameter(projection, "bias")), [tiles, count, D]);
  const first = tf.tile(parameter(scope, "cls_token"), [tiles, 1, 1]); // [tiles, 1, D]
  const table = tf.gather(tf.reshape(parameter(scope, "position_embeddings"), [-1, D]), places); // [N + 1, D]
  return tf.reshape(tf.add(tf.concat([first, patches], 1), table), [-1, D]);
}

function layer(scope: Scope, vision: VisionConfig, x: tf.Tensor, tiles: number): tf.Tensor {
  const normal = layerNorm(child(scope, "layernorm_before"), x, vision.layer_norm_eps);
  const project = (name: string): tf.Tensor => linear(child(scope, `attention.${name}`), normal);
  const attention = { heads: vision.num_attention_heads, images: tiles };
  const mixed = visionAttention(project("q_proj"), project("k_proj"), project("v_proj"), attention);
  const attended = linear(child(scope, "attention.projection_layer"), mixed);
  const middle = tf.add(x, tf.mul(attended, parameter(scope, "lambda_1")));
  const ready = layerNorm(child(scope, "layernorm_after"), middle, vision.layer_norm_eps);
  const inner = activationByName(vision.hidden_act)(linear(child(scope, "mlp.fc1"), ready));
  return tf.add(middle, tf.mul(linear(child(scope, "mlp.fc2"), inner), parameter(scope, "lambda_2")));
}

/**
 * The image processor of InternVL from parsed `config.json`, `preprocessor_config.json` and `processor_config.json`.
 *
 * @throws VlmR1Error `invalid-data` when the files are of different models.
 */
function internVlProcessor(config: unknown, preprocessor: unknown, processor?: unknown): ImageProcessor {
  const parsed = parseInternVlConfig(config);
  const tokens = tileTokens(parsed);
  const { image_seq_length: stated } = (processor ?? {}) as { image_seq_length?: unknown };
  const { size } = (preprocessor ?? {}) as { size?: { height?: unknown } | null };
  checkAgreement([
    [
      typeof stated === "number" && stated !== tokens,
      `processor_config.json: image_seq_length is ${String(stated)}, config.json makes ${tokens}`,
    ],
    [
      typeof size?.height === "number" && size.height !== tileSize(parsed),
      `preprocessor_config.json: size.height is ${String(size?.height)}, the tower of config.json takes ${tileSize(parsed)}`,
    ],
  ]);
  return canvasProcessor(preprocessor, { imageSize: tileSize(parsed), tokensPerTile: tokens });
}

const preprocessorFields = z.looseObject({
  ...imageFields.shape,
  min_patches: z.int().min(1).max(64).nullish(),
  max_patches: z.int().min(1).max(64).nullish(),
});

/** The defaults of `GotOcr2ImageProcessor`, with the means of InternVL. */
const DEFAULTS = { filter: "bicubic", mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/**
 * The image processor of InternVL: the canvas of up to `max_patches` tiles whose aspect ratio is nearest, and a thumbnail as the
 * last tile when there are several. Equal to `GotOcr2ImageProcessor` of transformers as `InternVLProcessor` calls it, which cuts
 * images whatever `crop_to_patches` of the file says.
 */
export function canvasProcessor(
  preprocessor: unknown,
  { imageSize: tile, tokensPerTile }: TileGeometry,
): ImageProcessor {
  const config = parseConfig(preprocessorFields, preprocessor ?? {}, "preprocessor_config.json");
  const [fewest, most] = [config.min_patches ?? 1, config.max_patches ?? 12];
  const filter = resizeFilter(config, DEFAULTS);
  const levels = pixelLevels(normalization(config, DEFAULTS));
  const layout = (image: ImageSize): ImageLayout => {
    checkAspectRatio(image);
    const { rows, columns } = bestCanvas(image, tile, fewest, most);
    const tiles = rows * columns + (rows * columns > 1 ? 1 : 0);
    return {
      shape: [tiles, 3, tile, tile],
      grid: [1, rows, columns],
      tokens: tiles * tokensPerTile,
      resized: { width: columns * tile, height: rows * tile },
    };
  };
  const process = (image: RgbImage): ProcessedImage => {
    const planned = layout(image);
    const [, rows, columns] = planned.grid;
    const canvas = resizeImage(image, planned.resized, filter);
    const pixels = new Float32Array(planned.shape.reduce((product, size) => product * size, 1)); // [tiles, 3, tile, tile]
    for (let index = 0; index < rows * columns; index++) {
      const corner = { x: (index % columns) * tile, y: Math.floor(index / columns) * tile };
      writeTile(pixels, index, canvas, corner, tile, levels);
    }
    if (rows * columns > 1) {
      const thumbnail = resizeImage(image, { width: tile, height: tile }, filter);
      writeTile(pixels, rows * columns, thumbnail, { x: 0, y: 0 }, tile, levels);
    }
    return { ...planned, pixels };
  };
  const expand = ({ tokens }: ImageLayout): string => `<img>${"<IMG_CONTEXT>".repeat(tokens)}</img>`;
  return { placeholder: "<IMG_CONTEXT>", layout, process, expand };
}

/**
 * Rows and columns of tiles: the aspect ratio nearest to the image's; of equal ones the larger, unless it has more than twice the
 * area of the image. Source: `get_optimal_tiled_canvas` of `GotOcr2ImageProcessor`.
 */
export function bestCanvas(
  { width, height }: ImageSize,
  tile: number,
  fewest: number,
  most: number,
): { rows: number; columns: number } {
  let best = { rows: 1, columns: 1 };
  let smallest = Infinity;
  for (const canvas of canvases(fewest, most)) {
    const difference = Math.abs(width / height - canvas.columns / canvas.rows);
    const covers = width * height > 0.5 * tile * tile * canvas.columns * canvas.rows;
    if (difference < smallest || (difference === smallest && covers)) best = canvas;
    smallest = Math.min(smallest, difference);
  }
  return best;
}

/** All canvases by number of tiles; of the same number, the narrow ones first. */
function canvases(fewest: number, most: number): { rows: number; columns: number }[] {
  const all: { rows: number; columns: number }[] = [];
  for (let columns = 1; columns <= most; columns++) {
    for (let rows = 1; rows * columns <= most; rows++)
      if (rows * columns >= fewest) all.push({ rows, columns });
  }
  return all.toSorted((a, b) => a.rows * a.columns - b.rows * b.columns);
}
