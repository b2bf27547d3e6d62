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

/** Tokens of a pass: P prompts times G answers times T tokens, flattened in this order. */
export interface TokenShape {
  readonly prompts: number;
  readonly group: number;
  readonly length: number;
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

function attention(
  scope: Scope,
  config: DecoderConfig,
  x: tf.Tensor,
  shape: HeadShape,
  pass: PassInputs,
  earlier: readonly KeyPart[],
): LayerResult {
  let query = splitQueries(linear(child(scope, "q_proj"), x), shape); // [P, K G R, T, d]
  let keys = splitKeys(linear(child(scope, "k_proj"), x), shape); // [P, K G, T, d]
  const values = splitKeys(linear(child(scope, "v_proj"), x), shape); // [P, K G, T, d]
  if (config.queryKeyNorm) {
    query = rmsNorm(child(scope, "q_norm"), query, config.rmsNormEps);
    keys = rmsNorm(child(scope, "k_norm"), keys, config.rmsNormEps);
  }
  query = tf.mul(rotate(query, pass.rotary), config.headDim ** -0.5);
  keys = rotate(keys, pass.rotary);
  const own = { keys, values };
  const mixed = attend(query, [...earlier, { ...own, shared: false }], pass.bias, shape); // [P, K G R, T, d]
  const joined = joinHeads(mixed, shape); // [P G T, H d]
  return { hidden: linear(child(scope, "o_proj"), joined), own };
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
  const { keyValueHeads: keyHeads, heads, headDim, rmsNormEps } = config;
  const shape: HeadShape = { ...tokens, keyHeads, queriesPerKey: heads / keyHeads, headDim };
  const normal = rmsNorm(child(scope, "input_layernorm"), x, rmsNormEps);
  const attended = attention(child(scope, "self_attn"), config, normal, shape, pass, earlier);
  const middle = tf.add(x, attended.hidden);
  const ready = rmsNorm(child(scope, "post_attention_layernorm"), middle, rmsNormEps);
  const gate = linear(child(scope, "mlp.gate_proj"), ready);
  const up = linear(child(scope, "mlp.up_proj"), ready);
  const hidden = tf.add(middle, linear(child(scope, "mlp.down_proj"), swiGlu(gate, up)));
  return { hidden, own: attended.own };
}
