import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { mergedGrid, patchCount } from "../images/patches.ts";
import type { ImageProcessor } from "../images/processor.ts";
import { qwenProcessor } from "../images/qwen-processor.ts";
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
import { activationByName, layerNorm, layerNormTensors } from "../network/norm.ts";
import { rotaryTables } from "../network/rotary.ts";
import { child, rootScope, type Scope } from "../network/scope.ts";
import type { HostTensor, TensorSpec } from "../network/tensors.ts";
import { checkConfig, dimension, parseConfig, tokenId } from "../weights/documents.ts";
import { decoderFields } from "./decoder-config.ts";
import type { Family } from "./family.ts";
import {
  embedPatches,
  fusedAttention,
  mergeCells,
  mergerTensors,
  multimodalPositions,
  nestText,
  patchEmbedding,
  qwenTowerFields,
  qwenVlDecoder,
  type QwenVlOuter,
  qwenVlRenames,
  visionRotaryAngles,
} from "./qwen-vision.ts";

/** Qwen2-VL. Technical report: https://arxiv.org/abs/2409.12191. */
export const qwen2Vl: Family = {
  modelTypes: ["qwen2_vl"],
  boxFrame: "thousand",
  renames: qwenVlRenames,
  processor: qwen2VlProcessor,
  architecture: (json): Architecture => {
    const config = parseQwen2VlConfig(json);
    const merge = config.vision_config.spatial_merge_size;
    return {
      modelType: "qwen2_vl",
      decoder: qwenVlDecoder(config),
      vision: qwen2VisionTower(config),
      tensors: qwen2VlTensors(config),
      positions: (ids, images) => {
        const grids = images.map((image) => mergedGrid(image.grid, merge));
        return multimodalPositions(ids, config.image_token_id, grids);
      },
    };
  },
};

const visionFields = z.looseObject({
  ...qwenTowerFields.shape,
  embed_dim: dimension.default(1280),
  /** Width of the decoder, in spite of its name. */
  hidden_size: dimension,
  mlp_ratio: z.number().positive().finite().max(64).default(4),
  hidden_act: z.string().default("quick_gelu"),
});

/** `config.json` of a Qwen2-VL checkpoint. */
interface Qwen2VlConfig extends QwenVlOuter {
  readonly vision_config: z.output<typeof visionFields>;
}

const schema = z.looseObject({
  model_type: z.literal("qwen2_vl"),
  image_token_id: tokenId.default(151655),
  tie_word_embeddings: z.boolean().nullish(),
  text_config: decoderFields,
  vision_config: visionFields,
});

/**
 * Reads a parsed `config.json`.
 *
 * @throws VlmR1Error `invalid-data` that names the first field that is wrong.
 */
function parseQwen2VlConfig(json: unknown): Qwen2VlConfig {
  const config = parseConfig(schema, nestText(json), "config.json");
  const { text_config: text, vision_config: vision } = config;
  checkConfig([
    [vision.embed_dim % (4 * vision.num_heads) !== 0, "vision embed_dim is not a multiple of 4 num_heads"],
    [
      vision.hidden_size !== text.hidden_size,
      "vision hidden_size differs from the hidden_size of the text model",
    ],
  ]);
  return config;
}

/** Every parameter of a Qwen2-VL checkpoint. */
function qwen2VlTensors(config: Qwen2VlConfig): TensorSpec[] {
  const vision = config.vision_config;
  const width = vision.embed_dim;
  const inner = Math.trunc(width * vision.mlp_ratio);
  const block = (at: string): TensorSpec[] => [
    ...layerNormTensors(`${at}.norm1`, width),
    ...layerNormTensors(`${at}.norm2`, width),
    ...linearTensors(`${at}.attn.qkv`, 3 * width, width),
    ...linearTensors(`${at}.attn.proj`, width, width),
    ...linearTensors(`${at}.mlp.fc1`, inner, width),
    ...linearTensors(`${at}.mlp.fc2`, width, inner),
  ];
  return [
    patchEmbedding(vision, width),
    ...Array.from({ length: vision.depth }, (_, i) => block(`model.visual.blocks.${i}`)).flat(),
    ...layerNormTensors("model.visual.merger.ln_q", width),
    ...mergerTensors(vision, width, vision.hidden_size),
    ...decoderTensors(qwenVlDecoder(config)),
  ];
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

type VisionConfig = Qwen2VlConfig["vision_config"];

const LAYER_NORM_EPS = 1e-6;

/** The Qwen2-VL tower: that of Qwen2.5-VL without windows, with LayerNorm and a plain MLP. https://arxiv.org/abs/2409.12191 */
function qwen2VisionTower(config: Qwen2VlConfig): VisionTower {
  const vision = config.vision_config;
  return {
    prefixes: ["model.visual"],
    deepstackLayers: 0,
    imageTokenId: config.image_token_id,
    plan: (images) => planImages(vision, images),
    forward: (tensors, inputs, adapters) => encodeImages(vision, rootScope(tensors, adapters), inputs),
  };
}

/** Pads the images of a batch to one number of patches; padded patches are hidden from the others. */
function planImages(vision: VisionConfig, images: readonly ProcessedImage[]): VisionPlan {
  const { spatial_merge_size: merge, patch_size: patch } = vision;
  const headDim = vision.embed_dim / vision.num_heads;
  const width = vision.in_channels * vision.temporal_patch_size * patch * patch;
  const theta = vision.rope_parameters?.rope_theta ?? 10_000;
  const [I, N] = [images.length, Math.max(...images.map((image) => patchCount(image.grid)))];
  const pixels = new Float32Array(I * N * width);
  const angles = new Float32Array((I * N * headDim) / 2);
  const bias = new Float32Array(I * N);
  images.forEach((image, i) => {
    pixels.set(image.pixels, i * N * width);
    angles.set(visionRotaryAngles(image.grid, merge, headDim, theta), (i * N * headDim) / 2);
    bias.fill(HIDDEN, i * N + patchCount(image.grid), (i + 1) * N);
  });
  const rotary = rotaryTables(angles, headDim / 2);
  const inputs: Record<string, HostTensor> = {
    pixels: { data: pixels, shape: [I * N, width] },
    cos: { data: rotary.cos, shape: [I, 1, N, headDim] },
    sin: { data: rotary.sin, shape: [I, 1, N, headDim] },
    bias: { data: bias, shape: [I, 1, 1, N] },
  };
  const perImage = N / merge ** 2;
  return { inputs, starts: images.map((_, i) => i * perImage), rows: I * perImage };
}

/** `pixels` `[I N, width]` to features `[I N / merge^2, D]`. */
function encodeImages(vision: VisionConfig, root: Scope, inputs: Inputs): VisionFeatures {
  const scope = child(root, "model.visual");
  const { pixels, cos, sin, bias } = inputs as Record<"pixels" | "cos" | "sin" | "bias", tf.Tensor>;
  const attention = { heads: vision.num_heads, images: bias.shape[0] as number, bias, rotary: { cos, sin } };
  let x = embedPatches(scope, pixels); // [I N, D]
  for (let i = 0; i < vision.depth; i++) x = block(child(scope, `blocks.${i}`), vision, x, attention);
  const normal = layerNorm(child(scope, "merger.ln_q"), x, LAYER_NORM_EPS);
  const merged = mergeCells(child(scope, "merger"), normal, vision.spatial_merge_size);
  return { features: merged as tf.Tensor2D, deepstack: [] };
}

function block(scope: Scope, vision: VisionConfig, x: tf.Tensor, attention: VisionAttention): tf.Tensor {
  const normal = layerNorm(child(scope, "norm1"), x, LAYER_NORM_EPS);
  const middle = tf.add(x, fusedAttention(child(scope, "attn"), normal, attention));
  const ready = layerNorm(child(scope, "norm2"), middle, LAYER_NORM_EPS);
  const inner = activationByName(vision.hidden_act)(linear(child(scope, "mlp.fc1"), ready));
  return tf.add(middle, linear(child(scope, "mlp.fc2"), inner));
}

/** The image processor of Qwen2-VL; `config` is a parsed `config.json`, `preprocessor` a parsed `preprocessor_config.json`. */
function qwen2VlProcessor(config: unknown, preprocessor: unknown): ImageProcessor {
  const vision = parseQwen2VlConfig(config).vision_config;
  return qwenProcessor(preprocessor, {
    patchSize: vision.patch_size,
    temporalPatchSize: vision.temporal_patch_size,
    mergeSize: vision.spatial_merge_size,
  });
}
