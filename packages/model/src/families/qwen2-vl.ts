import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Architecture, VisionFeatures, VisionTower } from "../network/architecture.ts";
import { type VisionAttention } from "../network/attention.ts";
import { decoderTensors } from "../network/decoder.ts";
import { linear, linearTensors } from "../network/linear.ts";
import { activationByName, layerNorm, layerNormTensors } from "../network/norm.ts";
import { child, rootScope, type Scope } from "../network/scope.ts";
import type { TensorSpec } from "../network/tensors.ts";
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
  planPadded,
  qwenTowerFields,
  qwenVlDecoder,
  qwenVlRenames,
  towerProcessor,
} from "./qwen-vision.ts";

/** Qwen2-VL. Technical report: https://arxiv.org/abs/2409.12191. */
export const qwen2Vl: Family = {
  modelTypes: ["qwen2_vl"],
  boxFrame: "thousand",
  renames: qwenVlRenames,
  processor: (config, preprocessor) => towerProcessor(preprocessor, parseQwen2VlConfig(config).vision_config),
  architecture: (json): Architecture => {
    const config = parseQwen2VlConfig(json);
    return {
      modelType: "qwen2_vl",
      decoder: qwenVlDecoder(config),
      vision: qwen2VisionTower(config),
      tensors: qwen2VlTensors(config),
      positions: imagePositions(config.image_token_id, config.vision_config.spatial_merge_size),
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

const schema = z.looseObject({
  ...outerFields.shape,
  model_type: z.literal("qwen2_vl"),
  vision_config: visionFields,
});

/** `config.json` of a Qwen2-VL checkpoint. */
type Qwen2VlConfig = z.output<typeof schema>;

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
    plan: (images) => planPadded(vision, vision.embed_dim / vision.num_heads, images),
    forward: (tensors, inputs, adapters) => encodeImages(vision, rootScope(tensors, adapters), inputs),
  };
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
