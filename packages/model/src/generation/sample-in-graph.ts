import * as tf from "@tensorflow/tfjs";

/** Drawn tokens of B rows. */
export interface Drawn {
  /** int32 `[B]` */
  readonly ids: tf.Tensor1D;
  /** log p under the tempered distribution, `[B]`; 0 when greedy. */
  readonly logProbs: tf.Tensor1D;
  /** log p under the model's own distribution, `[B]`. */
  readonly rawLogProbs: tf.Tensor1D;
}

function logSumExp(table: tf.Tensor, top: tf.Tensor): tf.Tensor {
  return tf.add(top, tf.log(tf.sum(tf.exp(tf.sub(table, top)), -1, true))); // [B, 1]
}

/** The likeliest tokens of `logits` `[B, V]`. */
export function pickGreedy(logits: tf.Tensor2D): Drawn {
  const top = tf.max(logits, -1, true);
  const rawLogProbs = tf.reshape(tf.sub(top, logSumExp(logits, top)), [-1]) as tf.Tensor1D;
  return { ids: tf.argMax(logits, -1), logProbs: tf.zerosLike(rawLogProbs), rawLogProbs };
}

/**
 * Draws from `softmax(logits / temperature)` by inversion of the cumulative distribution: the index is the number of cumulative
 * probabilities that do not exceed the row's uniform number `[B]`.
 */
export function pickSampled(logits: tf.Tensor2D, uniforms: tf.Tensor1D, temperature: tf.Tensor): Drawn {
  const [B, V] = logits.shape;
  const top = tf.max(logits, -1, true);
  const tempered = tf.div(logits, temperature); // [B, V]
  const temperedTop = tf.div(top, temperature);
  const cumulative = tf.cumsum(tf.exp(tf.sub(tempered, temperedTop)), -1); // [B, V], not normalized
  const total = tf.slice(cumulative, [0, V - 1], [B, 1]);
  const below = tf.lessEqual(cumulative, tf.mul(tf.reshape(uniforms, [B, 1]), total));
  const ids = tf.minimum(tf.sum(tf.cast(below, "int32"), -1), tf.scalar(V - 1, "int32")) as tf.Tensor1D;
  const chosen = tf.sum(tf.mul(logits, tf.oneHot(ids, V, 1, 0, "float32")), -1, true); // [B, 1]
  const logProbs = tf.sub(tf.div(chosen, temperature), logSumExp(tempered, temperedTop));
  const rawLogProbs = tf.sub(chosen, logSumExp(logits, top));
  return { ids, logProbs: tf.reshape(logProbs, [B]), rawLogProbs: tf.reshape(rawLogProbs, [B]) };
}
