import * as tf from "@tensorflow/tfjs-core";
import {
  attend,
  type HeadShape,
  joinHeads,
  type KeyPart,
  type KeyValues,
  splitKeys,
  splitQueries,
} from "./attention.ts";
import {
  embed,
  type FeatureSlots,
  HEAD,
  linear,
  linearTensors,
  placeFeatures,
  spreadFeatures,
} from "./linear.ts";
import { rmsNorm, swiGlu } from "./norm.ts";
import { type Rotary, type RotaryConfig, rotate } from "./rotary.ts";
import { child, type Scope } from "./scope.ts";
import type { TensorSpec } from "./tensors.ts";

/** A decoder in numbers: everything in which Llama, Qwen2 and Qwen3 text models differ. */
export interface DecoderConfig extends RotaryConfig {
  /** Canonical name in front of `embed_tokens`, `layers` and `norm`, for example `model.language_model`. */
  readonly prefix: string;
  readonly vocabularySize: number;
  /** Token whose embedding does not learn from its use as input (`pad_token_id`); absent: all learn. */
  readonly paddingTokenId?: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly rmsNormEps: number;
  /** Longest sequence, prompt and completion together. */
  readonly contextLength: number;
  /** Biases of the query, key and value projections (Qwen2). */
  readonly attentionBias: boolean;
  /** Bias of the output projection of attention (some Llamas); default false. */
  readonly outputBias?: boolean;
  /** Biases of the MLP (some Llamas); default false. */
  readonly mlpBias?: boolean;
  /** RMSNorm over every head of queries and keys before the rotation (Qwen3). */
  readonly queryKeyNorm: boolean;
  /** The output head is the embedding; no `lm_head.weight` in the file. */
  readonly tiedHead: boolean;
}

/** Every parameter of a decoder in the order of a checkpoint: embedding, layers, final norm, and the head when it is its own. */
export function decoderTensors(config: DecoderConfig): TensorSpec[] {
  const { prefix, hiddenSize, vocabularySize } = config;
  const tensors: TensorSpec[] = [
    { name: `${prefix}.embed_tokens.weight`, shape: [vocabularySize, hiddenSize] },
  ];
  for (let layer = 0; layer < config.layers; layer++) {
    tensors.push(...layerTensors(`${prefix}.layers.${layer}`, config));
  }
  tensors.push({ name: `${prefix}.norm.weight`, shape: [hiddenSize] });
  if (!config.tiedHead) tensors.push({ name: `${HEAD}.weight`, shape: [vocabularySize, hiddenSize] });
  return tensors;
}

function layerTensors(name: string, config: DecoderConfig): TensorSpec[] {
  const { hiddenSize, intermediateSize, headDim } = config;
  const queryWidth = config.heads * headDim;
  const keyWidth = config.keyValueHeads * headDim;
  const attention = `${name}.self_attn`;
  return [
    ...projection(`${attention}.q_proj`, queryWidth, hiddenSize, config.attentionBias),
    ...projection(`${attention}.k_proj`, keyWidth, hiddenSize, config.attentionBias),
    ...projection(`${attention}.v_proj`, keyWidth, hiddenSize, config.attentionBias),
    ...projection(`${attention}.o_proj`, hiddenSize, queryWidth, config.outputBias),
    ...(config.queryKeyNorm
      ? [
          { name: `${attention}.q_norm.weight`, shape: [headDim] },
          { name: `${attention}.k_norm.weight`, shape: [headDim] },
        ]
      : []),
    ...projection(`${name}.mlp.gate_proj`, intermediateSize, hiddenSize, config.mlpBias),
    ...projection(`${name}.mlp.up_proj`, intermediateSize, hiddenSize, config.mlpBias),
    ...projection(`${name}.mlp.down_proj`, hiddenSize, intermediateSize, config.mlpBias),
    { name: `${name}.input_layernorm.weight`, shape: [hiddenSize] },
    { name: `${name}.post_attention_layernorm.weight`, shape: [hiddenSize] },
  ];
}

function projection(name: string, outputs: number, inputs: number, bias = false): TensorSpec[] {
  return linearTensors(name, outputs, inputs).slice(0, bias ? 2 : 1);
}

/** Tokens of a pass: P prompts times G completions times T tokens, flattened in this order, or (`stepsFirst`) as `[T P G]`. */
interface TokenShape {
  readonly prompts: number;
  readonly group: number;
  readonly length: number;
  readonly stepsFirst?: boolean;
}

/** What every layer of one pass shares; all of it is computed on the host. */
interface PassInputs {
  /** `[P, 1, T, headDim]` */
  readonly rotary: Rotary;
  /** `[P, 1, T, slots]`: 0 where a key is seen, `HIDDEN` where not; slots of the past parts, then the T tokens themselves. */
  readonly bias: tf.Tensor;
}

/** Inputs of a pass over prompts or completions. */
export interface TokenInputs extends PassInputs {
  /** int32 `[P G T]` */
  readonly ids: tf.Tensor1D;
}

/** Image features of a pass over prompts, and where they go. */
export interface FeatureTensors {
  /** `[rows, D]` */
  readonly features: tf.Tensor2D;
  /** Added after the first decoder layers, each `[rows, D]`; empty for most families. */
  readonly deepstack: readonly tf.Tensor2D[];
  readonly slots: FeatureSlots;
}

/** How a pass differs from the plain one. */
interface PassOptions {
  /** What tokens before these left, per layer: the shared prompt, the completion so far. */
  readonly pastKeyValues?: readonly (readonly KeyPart[])[] | undefined;
  readonly images?: FeatureTensors | undefined;
  readonly layer?: LayerFunction | undefined;
  /** Only the hidden state of each sequence's last token is wanted, `[P, D]`: the last layer computes no more. */
  readonly lastOnly?: boolean;
}

/** What a pass leaves behind. */
export interface PassResult {
  /** Hidden states before the final norm, `[P G T, D]`, or `[P, D]` with `lastOnly`. */
  readonly hidden: tf.Tensor;
  /** Keys and values of every layer, `[P, K G, T, d]`, rotated. */
  readonly keyValues: readonly KeyValues[];
}

interface LayerResult {
  /** `[P G T, D]` */
  readonly hidden: tf.Tensor;
  /** Own keys and values `[P, K G, C, d]`, rotated. */
  readonly own: KeyValues;
}

/** One decoder layer, or something that computes the same (gradient checkpointing). */
export type LayerFunction = (
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  tokens: TokenShape,
  pass: PassInputs,
  past: readonly KeyPart[],
) => LayerResult;

/**
 * The forward pass: embedding, image features in their places, layers. The prompt is a pass with group 1 and image features;
 * completions are passes with group G that see the prompt's keys.
 */
export function decoderForward(
  root: Scope,
  config: DecoderConfig,
  inputs: TokenInputs,
  tokens: TokenShape,
  options: PassOptions = {},
): PassResult {
  const { pastKeyValues, images, layer = decoderLayer } = options;
  const scope = child(root, config.prefix);
  const last = options.lastOnly ? config.layers - 1 : config.layers;
  let x: tf.Tensor = embed(child(scope, "embed_tokens"), inputs.ids, config.paddingTokenId); // [P G T, D]
  if (images) x = placeFeatures(x, images.features, images.slots);
  const keyValues: KeyValues[] = [];
  for (let i = 0; i < config.layers; i++) {
    const run = i === last ? closingLayer : layer;
    const result = run(child(scope, `layers.${i}`), config, x, tokens, inputs, pastKeyValues?.[i] ?? []);
    const extra = i === last ? undefined : images?.deepstack[i]; // the last token of a prompt is never an image
    x = images && extra ? tf.add(result.hidden, spreadFeatures(extra, images.slots)) : result.hidden;
    keyValues.push(result.own);
  }
  return { hidden: x, keyValues };
}

/** The final norm: `[n, D]`. */
export function finalNorm(root: Scope, config: DecoderConfig, hidden: tf.Tensor): tf.Tensor {
  return rmsNorm(child(child(root, config.prefix), "norm"), hidden, config.rmsNormEps);
}

/**
 * One pre-norm block: grouped-query attention over `past` keys and the tokens themselves, then a gated MLP, each added to the
 * stream `[P G T, D]`.
 */
export function decoderLayer(
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  tokens: TokenShape,
  pass: PassInputs,
  past: readonly KeyPart[],
): LayerResult {
  const shape = headShape(config, tokens);
  const attention = child(scope, "self_attn");
  const normal = rmsNorm(child(scope, "input_layernorm"), x, config.rmsNormEps);
  const query = projectQueries(attention, config, normal, shape, pass.rotary);
  const own = projectKeys(attention, config, normal, shape, pass.rotary);
  const mixed = attend(query, [...past, { ...own, shared: false }], pass.bias, shape); // [P, K G R, T, d]
  const attended = linear(child(attention, "o_proj"), joinHeads(mixed, shape)); // [P G T, D]
  return { hidden: addMlp(scope, config, tf.add(x, attended)), own };
}

function headShape(config: DecoderConfig, tokens: TokenShape): HeadShape {
  const { keyValueHeads: keyHeads, heads, headDim } = config;
  return { ...tokens, keyHeads, queriesPerKey: heads / keyHeads, headDim };
}

/** Rotated queries `[P, K G R, T, d]`, scaled by 1 / sqrt(d): the scale goes into the small tables. */
function projectQueries(
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  shape: HeadShape,
  { cos, sin }: Rotary,
): tf.Tensor {
  const heads = splitQueries(linear(child(scope, "q_proj"), x), shape);
  const query = config.queryKeyNorm ? rmsNorm(child(scope, "q_norm"), heads, config.rmsNormEps) : heads;
  const scale = config.headDim ** -0.5;
  return rotate(query, { cos: tf.mul(cos, scale), sin: tf.mul(sin, scale) });
}

/** Rotated keys and values, `[P, K G, T, d]`. */
function projectKeys(
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  shape: HeadShape,
  rotary: Rotary,
): KeyValues {
  const heads = splitKeys(linear(child(scope, "k_proj"), x), shape);
  const keys = config.queryKeyNorm ? rmsNorm(child(scope, "k_norm"), heads, config.rmsNormEps) : heads;
  return { keys: rotate(keys, rotary), values: splitKeys(linear(child(scope, "v_proj"), x), shape) };
}

/** The gated MLP, added to the stream `[n, D]`. */
function addMlp(scope: Scope, config: DecoderConfig, x: tf.Tensor): tf.Tensor {
  const ready = rmsNorm(child(scope, "post_attention_layernorm"), x, config.rmsNormEps);
  const gate = linear(child(scope, "mlp.gate_proj"), ready);
  const up = linear(child(scope, "mlp.up_proj"), ready);
  return tf.add(x, linear(child(scope, "mlp.down_proj"), swiGlu(gate, up)));
}

/**
 * The last block of a pass over P prompts of S slots, of which only the last token is wanted: keys and values of all tokens, but
 * one query, and one hidden state `[P, D]`, for each prompt.
 */
function closingLayer(
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  tokens: TokenShape,
  { rotary, bias }: PassInputs,
): LayerResult {
  const { prompts: P, length: S } = tokens;
  const attention = child(scope, "self_attn");
  const normal = rmsNorm(child(scope, "input_layernorm"), x, config.rmsNormEps);
  const own = projectKeys(attention, config, normal, headShape(config, tokens), rotary);
  const lastRow = (table: tf.Tensor): tf.Tensor => {
    const width = table.shape[3] as number;
    return tf.slice(table, [0, 0, S - 1, 0], [P, 1, 1, width]);
  };
  const shape = headShape(config, { prompts: P, group: 1, length: 1 });
  const lastRotary = { cos: lastRow(rotary.cos), sin: lastRow(rotary.sin) };
  const query = projectQueries(attention, config, lastHidden(normal, P, S), shape, lastRotary); // [P, K R, 1, d]
  const mixed = attend(query, [{ ...own, shared: true }], lastRow(bias), shape);
  const attended = linear(child(attention, "o_proj"), joinHeads(mixed, shape)); // [P, D]
  return { hidden: addMlp(scope, config, tf.add(lastHidden(x, P, S), attended)), own };
}

/** Hidden states of the last token of each sequence, `[sequences, D]`. */
function lastHidden(hidden: tf.Tensor, sequences: number, length: number): tf.Tensor {
  const width = hidden.shape[1] as number;
  const apart = tf.reshape(hidden, [sequences, length, width]);
  return tf.reshape(tf.slice(apart, [0, length - 1, 0], [sequences, 1, width]), [sequences, width]);
}
