import * as tf from "@tensorflow/tfjs";
import type { DecoderConfig } from "../family.ts";
import { swiGlu } from "./activation.ts";
import {
  attend,
  joinHeads,
  splitKeys,
  splitQueries,
  type HeadShape,
  type KeyPart,
  type KeyValues,
} from "./attention.ts";
import { linear } from "./linear.ts";
import { rmsNorm } from "./norm.ts";
import { rotate, type Rotary } from "./rotary.ts";
import { child, type Scope } from "./scope.ts";

/** Tokens of a pass: P prompts times G answers times T tokens, flattened in this order, or (`stepsFirst`) as `[T P G]`. */
export interface TokenShape {
  readonly prompts: number;
  readonly group: number;
  readonly length: number;
  readonly stepsFirst?: boolean;
}

/** What every layer of one pass shares; all of it is computed on the host. */
export interface PassInputs {
  /** `[P, 1, T, headDim]` */
  readonly rotary: Rotary;
  /** `[P, 1, T, slots]`: 0 where a key is seen, -1e9 where not; slots of the earlier parts, then the T tokens themselves. */
  readonly bias: tf.Tensor;
}

export interface LayerResult {
  /** `[P G T, D]` */
  readonly hidden: tf.Tensor;
  /** Own keys and values `[P, K G, C, d]`, rotated. */
  readonly own: KeyValues;
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
 * One pre-norm block: grouped-query attention over `earlier` keys and the tokens themselves, then a gated MLP, each added to the
 * stream `[P G T, D]`.
 */
export function decoderLayer(
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  tokens: TokenShape,
  pass: PassInputs,
  earlier: readonly KeyPart[],
): LayerResult {
  const shape = headShape(config, tokens);
  const attention = child(scope, "self_attn");
  const normal = rmsNorm(child(scope, "input_layernorm"), x, config.rmsNormEps);
  const query = projectQueries(attention, config, normal, shape, pass.rotary);
  const own = projectKeys(attention, config, normal, shape, pass.rotary);
  const mixed = attend(query, [...earlier, { ...own, shared: false }], pass.bias, shape); // [P, K G R, T, d]
  const attended = linear(child(attention, "o_proj"), joinHeads(mixed, shape)); // [P G T, D]
  return { hidden: addMlp(scope, config, tf.add(x, attended)), own };
}

/**
 * The last block of a pass over P prompts of S slots, of which only the last token is wanted: keys and values of all tokens, but one
 * query, and one hidden state `[P, D]`, for each prompt.
 */
export function closingLayer(
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
