import * as tf from "@tensorflow/tfjs-core";

/** Global L2 norm of a flat gradient. [N] -> [] */
export function globalNorm(gradients: tf.Tensor1D): tf.Scalar {
  return tf.sqrt(tf.sum(tf.square(gradients)) as tf.Scalar);
}

/** What to multiply a gradient with so that its norm is at most `maxNorm`: min(1, maxNorm / (norm + 1e-6)), as in PyTorch. */
export function clipFactor(norm: tf.Scalar, maxNorm: number): tf.Scalar {
  return tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1) as tf.Scalar;
}
