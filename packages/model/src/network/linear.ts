import * as tf from "@tensorflow/tfjs-core";
import { type AdapterDropout, optionalParameter, parameter, type Scope } from "./scope.ts";
import type { TensorSpec } from "./tensors.ts";

/**
 * `x W^T + b`, plus `scaling (x A^T) B^T` where an adapter takes part (LoRA, https://arxiv.org/abs/2106.09685, equation 3). `x`
 * is `[n, in]`, the result `[n, out]`; weights lie as PyTorch stores them, `[out, in]`. Where the scope knows the result, only
 * the gradient is computed.
 */
export function linear(scope: Scope, x: tf.Tensor): tf.Tensor {
  const y = project(scope, x);
  scope.outputs?.set(scope.name, y);
  const known = scope.known?.[scope.name];
  return known ? knownValue(y, known) : y;
}

function project(scope: Scope, x: tf.Tensor): tf.Tensor {
  const bias = optionalParameter(scope, "bias");
  let y: tf.Tensor = tf.matMul(x, parameter(scope, "weight"), false, true); // [n, out]
  if (bias) y = tf.add(y, bias);
  const scaling = scope.adapters?.get(scope.name);
  if (scaling === undefined) return y;
  const kept = scope.dropout ? dropOut(x, scope.dropout, scope.name) : x;
  const low = tf.matMul(kept, parameter(scope, "lora_A.weight"), false, true); // [n, r]
  const update = tf.matMul(tf.mul(low, scaling), parameter(scope, "lora_B.weight"), false, true); // [n, out]
  return tf.add(y, update);
}

/** The value of `known` with the gradient of `y`. The graph then needs no `y`, and what only `y` needs is not computed. */
const knownValue = tf.customGrad((...inputs: unknown[]) => {
  const [, known] = inputs as [tf.Tensor, tf.Tensor];
  return { value: tf.clone(known), gradFunc: (dy: tf.Tensor) => [dy, tf.zerosLike(dy)] };
}) as (y: tf.Tensor, known: tf.Tensor) => tf.Tensor;

/**
 * Zeroes a share of `x` `[n, D]` and scales the rest by 1 / (1 - rate), as dropout does (https://arxiv.org/abs/1207.0580).
 *
 * The n D random numbers are mixed in the graph from n + D that the host drew: fractions of products of large factors are nearly
 * independent for different pairs.
 */
export function dropOut(x: tf.Tensor, { rate, rows, columns }: AdapterDropout, name: string): tf.Tensor {
  const [n, D] = x.shape as [number, number];
  const shift = hash(name);
  const row = tf.reshape(tf.slice(rows, [0], [n]), [n, 1]);
  const column = tf.reshape(tf.slice(columns, [0], [D]), [1, D]);
  const mixed = fraction(tf.mul(tf.mul(tf.add(row, 0.5 + shift), 61.7), tf.add(tf.mul(column, 31.3), 1))); // [n, D]
  const noise = fraction(tf.add(tf.mul(mixed, 173.9), row));
  const keep = tf.cast(tf.greaterEqual(noise, rate), "float32");
  return tf.mul(x, tf.mul(keep, 1 / (1 - rate)));
}

/** A number in [0, 1) of a name, so that every layer drops other inputs. */
function hash(name: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193);
  return (state >>> 8) / 2 ** 24;
}

const fraction = (x: tf.Tensor): tf.Tensor => tf.sub(x, tf.floor(x));

/**
 * Rows of the embedding table for int32 `ids` `[n]`: `[n, D]`. The row of `paddingId` gets no gradient, as in PyTorch's
 * `nn.Embedding(padding_idx)`, with which transformers trains.
 */
export function embed(scope: Scope, ids: tf.Tensor1D, paddingId?: number): tf.Tensor {
  const rows = tf.gather(parameter(scope, "weight"), ids);
  return paddingId === undefined ? rows : withoutGradientAt(ids, paddingId)(rows);
}

const withoutGradientAt = (ids: tf.Tensor1D, id: number) =>
  tf.customGrad((...inputs: unknown[]) => {
    const [rows] = inputs as [tf.Tensor];
    const learns = (dy: tf.Tensor) =>
      tf.mul(dy, tf.expandDims(tf.cast(tf.notEqual(ids, tf.scalar(id, "int32")), "float32"), 1));
    return { value: tf.clone(rows), gradFunc: (dy: tf.Tensor) => [learns(dy)] };
  }) as (rows: tf.Tensor) => tf.Tensor;

/** Where image features enter a sequence of n tokens. */
export interface FeatureSlots {
  /** int32 `[n]`: feature row of an image token, any valid row elsewhere. */
  readonly rows: tf.Tensor1D;
  /** `[n, 1]`: 1 at image tokens, 0 elsewhere. */
  readonly mask: tf.Tensor2D;
}

/** Puts image features in the place of the placeholder embeddings: `[n, D]`. */
export function placeFeatures(x: tf.Tensor, features: tf.Tensor, slots: FeatureSlots): tf.Tensor {
  return tf.add(tf.mul(x, tf.sub(1, slots.mask)), spreadFeatures(features, slots));
}

/** Spreads feature rows `[rows, D]` over the tokens: `[n, D]`, 0 at text tokens. */
export function spreadFeatures(features: tf.Tensor, slots: FeatureSlots): tf.Tensor {
  return tf.mul(tf.gather(features, slots.rows), slots.mask);
}

/** A linear layer: weight `[out, in]`, then its bias `[out]`. */
export function linearTensors(name: string, outputs: number, inputs: number): TensorSpec[] {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs] },
    { name: `${name}.bias`, shape: [outputs] },
  ];
}

/** A linear layer of a model. */
export interface LinearModule {
  /** Canonical module name, for example `model.language_model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** Module name of the output head. */
export const HEAD = "lm_head";

/** Parameters that are tables, not linear layers. */
const TABLES = ["embed_tokens", "pos_embed", "position_embedding"];

/** The linear layers among the parameters of a model. The output head is one of them, tied to the embedding or not. */
export function linearModules(specs: readonly TensorSpec[]): LinearModule[] {
  const modules = specs.flatMap(({ name, shape }): LinearModule[] => {
    const module = name.slice(0, -".weight".length);
    const isTable = TABLES.some((table) => module === table || module.endsWith(`.${table}`));
    if (!name.endsWith(".weight") || shape.length !== 2 || isTable) return [];
    return [{ name: module, outputs: shape[0] as number, inputs: shape[1] as number }];
  });
  const tied = modules.some(({ name }) => name === HEAD)
    ? undefined
    : specs.find(({ name }) => name.endsWith("embed_tokens.weight"));
  if (!tied) return modules;
  const [outputs, inputs] = tied.shape as [number, number];
  return [...modules, { name: HEAD, outputs, inputs }];
}
