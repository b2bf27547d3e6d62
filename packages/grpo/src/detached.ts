import * as tf from "@tensorflow/tfjs";

/**
 * Computes a tensor of `inputs` through which no gradient flows (stop-gradient), and whose ops need no gradient of their own:
 * comparisons, sorting and gathering are allowed inside.
 */
export function detached<T extends tf.Tensor>(
  compute: (...inputs: tf.Tensor[]) => T,
  ...inputs: readonly tf.Tensor[]
): T {
  const shapes = inputs.map((input) => input.shape);
  const withoutGradient = tf.customGrad((...args) => ({
    value: compute(...(args.slice(0, inputs.length) as tf.Tensor[])),
    gradFunc: () => shapes.map((shape) => tf.zeros(shape)),
  }));
  return withoutGradient(...inputs) as T;
}
