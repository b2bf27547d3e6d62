import * as tf from "@tensorflow/tfjs";

/**
 * Attention of groups that share a prefix.
 *
 * Letters: P prompts, G answers to each, T tokens of each answer, S prefix slots, K key heads, R query heads per key head, d width.
 * Queries `[P, K, G, R, T, d]`. With keys of the prefix `[P, K, S, d]` they form ONE matrix product of G R T rows per prompt and
 * key head; with their own keys `[P, K, G, C, d]` one product of R T rows. No tensor is repeated for the group or for grouped
 * queries (https://arxiv.org/abs/2305.13245), in the gradient neither.
 */
export interface HeadShape {
  readonly prompts: number;
  readonly group: number;
  readonly length: number;
  readonly keyHeads: number;
  readonly queriesPerKey: number;
  readonly headDim: number;
}

export interface KeyValues {
  readonly keys: tf.Tensor;
  readonly values: tf.Tensor;
}

/** `[P G T, K R d]` to `[P, K, G R, T, d]`. */
export function splitQueries(x: tf.Tensor, s: HeadShape): tf.Tensor {
  const apart = tf.reshape(x, [s.prompts, s.group, s.length, s.keyHeads, s.queriesPerKey, s.headDim]);
  const heads = tf.transpose(apart, [0, 3, 1, 4, 2, 5]); // [P, K, G, R, T, d]
  return tf.reshape(heads, [s.prompts, s.keyHeads * s.group * s.queriesPerKey, s.length, s.headDim]);
}

/** `[P G T, K d]` to `[P, K G, T, d]`. */
export function splitKeys(x: tf.Tensor, s: HeadShape): tf.Tensor {
  const apart = tf.reshape(x, [s.prompts, s.group, s.length, s.keyHeads, s.headDim]);
  const heads = tf.transpose(apart, [0, 3, 1, 2, 4]); // [P, K, G, T, d]
  return tf.reshape(heads, [s.prompts, s.keyHeads * s.group, s.length, s.headDim]);
}

/** `[P, K G R, T, d]` to `[P G T, K R d]`. */
export function joinHeads(x: tf.Tensor, s: HeadShape): tf.Tensor {
  const apart = tf.reshape(x, [s.prompts, s.keyHeads, s.group, s.queriesPerKey, s.length, s.headDim]);
  const tokens = tf.transpose(apart, [0, 2, 4, 1, 3, 5]); // [P, G, T, K, R, d]
  return tf.reshape(tokens, [s.prompts * s.group * s.length, s.keyHeads * s.queriesPerKey * s.headDim]);
}

/**
 * Softmax attention over [prefix; own] keys. `query` `[P, K G R, T, d]` already scaled; `own` `[P, K G, C, d]`;
 * `prefix` `[P, K, S, d]`; `bias` broadcasts to `[P, K G R, T, S + C]`, 0 where a key is seen and -1e9 where not.
 * Returns `[P, K G R, T, d]`.
 */
export function attend(
  query: tf.Tensor,
  own: KeyValues,
  bias: tf.Tensor,
  shape: HeadShape,
  prefix?: KeyValues,
): tf.Tensor {
  const { prompts: P, group: G, length: T, keyHeads: K, queriesPerKey: R, headDim: d } = shape;
  const C = own.keys.shape[2] as number;
  const ownQuery = tf.reshape(query, [P * K * G, R * T, d]);
  const ownScores = tf.matMul(ownQuery, tf.reshape(own.keys, [P * K * G, C, d]), false, true); // [P K G, R T, C]
  const ownTable = tf.reshape(ownScores, [P, K * G * R, T, C]);
  const ownValues = tf.reshape(own.values, [P * K * G, C, d]);
  if (!prefix) {
    const weights = tf.softmax(tf.add(ownTable, bias)); // [P, K G R, T, C]
    const sum = tf.matMul(tf.reshape(weights, [P * K * G, R * T, C]), ownValues);
    return tf.reshape(sum, [P, K * G * R, T, d]);
  }
  const S = prefix.keys.shape[2] as number;
  const sharedQuery = tf.reshape(query, [P * K, G * R * T, d]);
  const sharedScores = tf.matMul(sharedQuery, tf.reshape(prefix.keys, [P * K, S, d]), false, true); // [P K, G R T, S]
  const scores = tf.concat([tf.reshape(sharedScores, [P, K * G * R, T, S]), ownTable], -1);
  const weights = tf.softmax(tf.add(scores, bias)); // [P, K G R, T, S + C]
  const [toPrefix, toOwn] = tf.split(weights, [S, C], -1) as [tf.Tensor, tf.Tensor];
  const fromPrefix = tf.matMul(
    tf.reshape(toPrefix, [P * K, G * R * T, S]),
    tf.reshape(prefix.values, [P * K, S, d]),
  );
  const fromOwn = tf.matMul(tf.reshape(toOwn, [P * K * G, R * T, C]), ownValues);
  return tf.reshape(tf.add(tf.reshape(fromPrefix, [P * K * G, R * T, d]), fromOwn), [P, K * G * R, T, d]);
}
