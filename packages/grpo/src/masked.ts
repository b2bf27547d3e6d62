import * as tf from "@tensorflow/tfjs";

/** Sum over everything that counts. `values` may be one number per completion, [B, 1]. */
export function maskedSum(values: tf.Tensor, mask: tf.Tensor2D): tf.Scalar {
  return tf.sum(tf.mul(values, mask)) as tf.Scalar; // [B, T] -> []
}

/** Mean over everything that counts, 0 when nothing does. */
export function maskedMean(values: tf.Tensor, mask: tf.Tensor2D): tf.Scalar {
  return tf.div(maskedSum(values, mask), tf.maximum(tf.sum(mask), 1)) as tf.Scalar;
}

/** Mean over tokens that count of values per token, [B, T]; plain mean over completions of values per completion, [B, 1]. */
export function meanOver(values: tf.Tensor2D, mask: tf.Tensor2D): tf.Scalar {
  return values.shape[1] === 1 ? tf.mean(values) : maskedMean(values, mask);
}

/** Tokens that count in each completion, at least 1 so that it can divide. */
export function countedTokens(mask: tf.Tensor2D): tf.Tensor2D {
  return tf.maximum(tf.sum(mask, 1, true), 1) as tf.Tensor2D; // [B, T] -> [B, 1]
}
