import * as tf from "@tensorflow/tfjs";
import { drawFromWeights } from "@vlmr1/engine";

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

/** Draws from `softmax(logits / temperature)` by inversion of the cumulative distribution at one uniform number a row, `[B]`. */
export function pickSampled(logits: tf.Tensor2D, uniforms: tf.Tensor1D, temperature: tf.Tensor): Drawn {
  const top = tf.max(logits, -1, true);
  const tempered = tf.div(logits, temperature); // [B, V]
  const temperedTop = tf.div(top, temperature);
  const ids = drawFromWeights(tf.exp(tf.sub(tempered, temperedTop)), uniforms);
  const chosen = tf.gather(logits, ids, 1, 1); // [B]
  const logProb = (score: tf.Tensor, normalizer: tf.Tensor): tf.Tensor1D =>
    tf.sub(score, tf.reshape(normalizer, [-1])) as tf.Tensor1D;
  return {
    ids,
    logProbs: logProb(tf.div(chosen, temperature), logSumExp(tempered, temperedTop)),
    rawLogProbs: logProb(chosen, logSumExp(logits, top)),
  };
}
