import * as tf from "@tensorflow/tfjs";
import { checkpoint } from "@vlmr1/engine";
import { rmsNorm, swiGlu } from "./engine-norm-and-gate.ts";

/** Sizes of a Llama-like decoder. */
export interface DecoderShape {
  readonly hidden: number;
  readonly inner: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly layers: number;
  readonly vocabulary: number;
}

/** SmolLM2-135M, https://huggingface.co/HuggingFaceTB/SmolLM2-135M/blob/main/config.json */
export const smolLm2: DecoderShape = {
  hidden: 576,
  inner: 1536,
  heads: 9,
  keyValueHeads: 3,
  layers: 30,
  vocabulary: 49152,
};

/** The decoder whose hand-written ONNX graph is the peer of the training step. */
export const fourLayers: DecoderShape = {
  hidden: 128,
  inner: 512,
  heads: 4,
  keyValueHeads: 4,
  layers: 4,
  vocabulary: 300,
};

/** One layer's tensors; `T` is a shape, a device tensor or a tf.Tensor. */
export type Layer<T> = {
  readonly norm1: T;
  readonly query: T;
  readonly key: T;
  readonly value: T;
  readonly output: T;
  readonly norm2: T;
  readonly gate: T;
  readonly up: T;
  readonly down: T;
};

/** Names of the projections that LoRA adapts. */
export const projections = ["query", "key", "value", "output", "gate", "up", "down"] as const;
type Projection = (typeof projections)[number];

/** Low-rank adapters of one layer. */
export type Adapters<T> = Readonly<Record<Projection, { readonly a: T; readonly b: T }>>;

/** All weights; the head is the embedding when `head` is absent. */
export type DecoderWeights<T> = {
  readonly embedding: T;
  readonly layers: readonly Layer<T>[];
  readonly norm: T;
  readonly head?: T;
  readonly positions?: T;
};

type Tensor = tf.Tensor;

/** Shapes of one layer. */
export function layerShapes({ hidden, inner, heads, keyValueHeads }: DecoderShape): Layer<readonly number[]> {
  const narrow = (hidden / heads) * keyValueHeads;
  return {
    norm1: [hidden],
    query: [hidden, hidden],
    key: [hidden, narrow],
    value: [hidden, narrow],
    output: [hidden, hidden],
    norm2: [hidden],
    gate: [hidden, inner],
    up: [hidden, inner],
    down: [inner, hidden],
  };
}

/** Shapes of the adapters of one layer. */
export function adapterShapes(shape: DecoderShape, rank: number): Adapters<readonly number[]> {
  const layer = layerShapes(shape);
  const of = (name: Projection): { a: readonly number[]; b: readonly number[] } => ({
    a: [layer[name][0]!, rank],
    b: [rank, layer[name][1]!],
  });
  return {
    query: of("query"),
    key: of("key"),
    value: of("value"),
    output: of("output"),
    gate: of("gate"),
    up: of("up"),
    down: of("down"),
  };
}

/** Cosines and sines `[T, headDim / 2]` of int32 positions `[T]`. */
export function rotaryTables({ hidden, heads }: DecoderShape, positions: Tensor): [Tensor, Tensor] {
  const half = hidden / heads / 2;
  const frequencies = tf.tensor1d(Array.from({ length: half }, (_, k) => 10000 ** (-k / half)));
  const angles = tf.mul(tf.reshape(tf.cast(positions, "float32"), [-1, 1]), frequencies);
  return [tf.cos(angles), tf.sin(angles)];
}

function rotate(x: Tensor, [cos, sin]: readonly [Tensor, Tensor]): Tensor {
  const [a, b] = tf.split(x, 2, -1) as [Tensor, Tensor];
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1);
}

/** Keys and values of earlier tokens `[B, KV, S, headDim]`, and what is added to scores of their slots `[S]`. */
export interface Past {
  readonly key: Tensor;
  readonly value: Tensor;
  readonly mask: Tensor;
}

interface LayerInputs {
  readonly mask: Tensor;
  readonly rotary?: readonly [Tensor, Tensor] | undefined;
  readonly past?: Past | undefined;
  readonly adapters?: Adapters<Tensor> | undefined;
}

/** One layer. `x` `[B, T, D]`. Groups of heads are folded into rows, so that no operand of a product is broadcast. */
export function decoderLayer(
  shape: DecoderShape,
  weights: Layer<Tensor>,
  x: Tensor,
  inputs: LayerInputs,
): { x: Tensor; key: Tensor; value: Tensor } {
  const [batch, length] = x.shape as [number, number];
  const { heads, keyValueHeads, hidden } = shape;
  const headDim = hidden / heads;
  const groups = heads / keyValueHeads;
  const linear = (h: Tensor, name: Projection): Tensor => {
    const y = tf.matMul(h, weights[name]);
    const adapter = inputs.adapters?.[name];
    return adapter ? tf.add(y, tf.matMul(tf.matMul(h, adapter.a), adapter.b)) : y;
  };
  const split = (y: Tensor, count: number): Tensor =>
    tf.transpose(tf.reshape(y, [batch, length, count, headDim]), [0, 2, 1, 3]);
  const h = tf.reshape(rmsNorm(x, weights.norm1), [batch * length, hidden]);
  const turn = (y: Tensor): Tensor => (inputs.rotary ? rotate(y, inputs.rotary) : y);
  const scaled = tf.mul(turn(split(linear(h, "query"), heads)), 1 / Math.sqrt(headDim)); // narrower than the scores
  const query = tf.reshape(scaled, [batch, keyValueHeads, groups * length, headDim]);
  const key = turn(split(linear(h, "key"), keyValueHeads));
  const value = split(linear(h, "value"), keyValueHeads);
  const scores = (k: Tensor, mask: Tensor): Tensor => {
    const slots = k.shape[2]!;
    const raw = tf.matMul(query, k, false, true); // [B, KV, G * T, S]
    const masked = tf.add(tf.reshape(raw, [batch, keyValueHeads, groups, length, slots]), mask);
    return tf.reshape(masked, [batch, keyValueHeads, groups * length, slots]);
  };
  const { past } = inputs;
  let attended: Tensor;
  if (past) {
    const all = tf.softmax(tf.concat([scores(past.key, past.mask), scores(key, inputs.mask)], -1));
    const [old, fresh] = tf.split(all, [past.key.shape[2]!, length], -1) as [Tensor, Tensor];
    attended = tf.add(tf.matMul(old, past.value), tf.matMul(fresh, value));
  } else attended = tf.matMul(tf.softmax(scores(key, inputs.mask)), value);
  const merged = tf.reshape(
    tf.transpose(tf.reshape(attended, [batch, heads, length, headDim]), [0, 2, 1, 3]),
    [batch * length, hidden],
  );
  const middle = tf.add(x, tf.reshape(linear(merged, "output"), [batch, length, hidden]));
  const h2 = tf.reshape(rmsNorm(middle, weights.norm2), [batch * length, hidden]);
  const inner = swiGlu(linear(h2, "gate"), linear(h2, "up"));
  return { x: tf.add(middle, tf.reshape(linear(inner, "down"), [batch, length, hidden])), key, value };
}

/** -1e9 above the diagonal of `[T, T]`. */
export function causalMask(length: number): Tensor {
  const position = tf.range(0, length, 1, "int32");
  const future = tf.greater(tf.reshape(position, [1, length]), tf.reshape(position, [length, 1]));
  return tf.mul(tf.cast(future, "float32"), -1e9);
}

/** How a training forward runs. */
export interface ForwardOptions {
  readonly adapters?: readonly Adapters<Tensor>[];
  readonly checkpoint?: boolean;
}

/** Final hidden states `[B * T, D]` of token ids `[B, T]`. */
export function hiddenStates(
  shape: DecoderShape,
  weights: DecoderWeights<Tensor>,
  ids: Tensor,
  options: ForwardOptions = {},
): Tensor {
  const [batch, length] = ids.shape as [number, number];
  const flat = tf.gather(weights.embedding, tf.reshape(ids, [-1]) as tf.Tensor1D);
  let x = tf.reshape(flat, [batch, length, shape.hidden]);
  if (weights.positions) x = tf.add(x, weights.positions);
  const rotary = weights.positions ? undefined : rotaryTables(shape, tf.range(0, length, 1, "int32"));
  const mask = causalMask(length);
  const run = (input: Tensor, layer: Layer<Tensor>, adapters: Adapters<Tensor> | undefined): Tensor =>
    decoderLayer(shape, layer, input, { mask, rotary, adapters }).x;
  const step = options.checkpoint ? checkpoint(run) : run;
  weights.layers.forEach((layer, index) => (x = step(x, layer, options.adapters?.[index])));
  return tf.reshape(rmsNorm(x, weights.norm), [batch * length, shape.hidden]);
}

/** Mean cross-entropy of targets `[N]` for hidden states `[N, D]` under a frozen tied head `[V, D]`, gradient by hand. */
export function tiedCrossEntropy(hidden: Tensor, embedding: Tensor, targets: Tensor): Tensor {
  const logProbs = tf.customGrad((...given: unknown[]) => {
    const [h, save] = given as [Tensor, (tensors: Tensor[]) => void];
    const logits = tf.matMul(h, embedding, false, true); // [N, V]
    const rows = tf.gather(embedding, targets as tf.Tensor1D);
    const probabilities = tf.softmax(logits);
    // The largest probability is exp(top) over the sum of the exponentials.
    const total = tf.sub(tf.max(logits, -1, true), tf.log(tf.max(probabilities, -1, true)));
    save([tf.sub(rows, tf.matMul(probabilities, embedding))]); // [N, D]: the table is needed no longer
    const value = tf.sub(tf.sum(tf.mul(h, rows), -1), tf.squeeze(total, [1]));
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor => {
      const [slope] = saved as [Tensor];
      return tf.mul(tf.reshape(dy, [-1, 1]), slope);
    };
    return { value, gradFunc: gradFunc as (dy: Tensor | Tensor[], saved: Tensor[]) => Tensor };
  });
  return tf.neg(tf.mean(logProbs(hidden)));
}

/** Mean cross-entropy with an own head `[D, V]`, by the tape. */
export function crossEntropy(hidden: Tensor, head: Tensor, targets: Tensor): Tensor {
  const logits = tf.matMul(hidden, head);
  const oneHot = tf.cast(tf.oneHot(tf.reshape(targets, [-1]) as tf.Tensor1D, logits.shape[1]!), "float32");
  return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), oneHot), -1)));
}

/** One token per row: ids `[B]`, slot `[1]`, caches per layer `[B, KV, S, headDim]` -> logits and the new rows. */
export function decodeStep(
  shape: DecoderShape,
  weights: DecoderWeights<Tensor>,
  ids: Tensor,
  slot: Tensor,
  keys: readonly Tensor[],
  values: readonly Tensor[],
): { logits: Tensor; keys: Tensor[]; values: Tensor[] } {
  const batch = ids.shape[0]!;
  const slots = keys[0]!.shape[2]!;
  const rotary = rotaryTables(shape, slot);
  const unused = tf.mul(tf.cast(tf.greaterEqual(tf.range(0, slots, 1, "int32"), slot), "float32"), -1e9);
  let x = tf.reshape(tf.gather(weights.embedding, ids as tf.Tensor1D), [batch, 1, shape.hidden]);
  const rows: { keys: Tensor[]; values: Tensor[] } = { keys: [], values: [] };
  weights.layers.forEach((layer, index) => {
    const past = { key: keys[index]!, value: values[index]!, mask: unused };
    const result = decoderLayer(shape, layer, x, { mask: tf.scalar(0), rotary, past });
    x = result.x;
    rows.keys.push(result.key);
    rows.values.push(result.value);
  });
  const hidden = tf.reshape(rmsNorm(x, weights.norm), [batch, shape.hidden]);
  return { logits: tf.matMul(hidden, weights.embedding, false, true), ...rows };
}

/** AdamW on flat buffers (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101); `step` counts from 1. */
export function adamW(
  state: { params: Tensor; m: Tensor; v: Tensor },
  grads: Tensor,
  step: Tensor,
  rate: Tensor,
): { params: Tensor; m: Tensor; v: Tensor } {
  const [b1, b2, epsilon, decay] = [0.9, 0.999, 1e-8, 0.01];
  const m = tf.add(tf.mul(state.m, b1), tf.mul(grads, 1 - b1));
  const v = tf.add(tf.mul(state.v, b2), tf.mul(tf.square(grads), 1 - b2));
  // The bias corrections are scalars: they go into the rate and epsilon, not over the buffers.
  const correction = tf.sqrt(tf.sub(1, tf.pow(b2, step)));
  const scale = tf.div(tf.mul(rate, correction), tf.sub(1, tf.pow(b1, step)));
  const root = tf.add(tf.sqrt(v), tf.mul(correction, epsilon));
  const kept = tf.mul(state.params, tf.sub(1, tf.mul(rate, decay)));
  return { params: tf.sub(kept, tf.mul(scale, tf.div(m, root))), m, v };
}
