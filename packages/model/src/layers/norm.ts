import * as tf from "@tensorflow/tfjs";
import { parameter, type Scope } from "./scope.ts";

type Saver = (tensors: tf.Tensor[]) => void;

/**
 * Its gradient is written by hand, from x and the inverse r alone: with h = x r, and g = dy w,
 * dx = r (g - h mean(g h)) = r g - x r^3 mean(g x), and dw = sum of dy h over the rows. Both sums are products with `dy x`.
 */
const scaledByRms = (eps: number) =>
  tf.customGrad((...inputs: unknown[]) => {
    const [x, weight, save] = inputs as [tf.Tensor, tf.Tensor, Saver];
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps)); // [..., 1]
    save([x, weight, inverse]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [x, w, r] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const width = w.shape[0] as number;
      const products = tf.reshape(tf.mul(dy, x), [-1, width]); // [rows, width]
      const sums = tf.reshape(tf.matMul(products, tf.reshape(w, [width, 1])), r.shape); // [..., 1]
      const pull = tf.mul(sums, tf.div(tf.mul(tf.square(r), r), width));
      const dx = tf.sub(tf.mul(tf.mul(dy, w), r), tf.mul(x, pull));
      const dw = tf.reshape(tf.matMul(tf.reshape(r, [1, -1]), products), [width]);
      return [dx, dw];
    };
    return { value: tf.mul(tf.mul(x, inverse), weight), gradFunc };
  });

/**
 * `x / sqrt(mean(x^2) + eps) * weight` over the last axis, any leading shape.
 * RMSNorm, https://arxiv.org/abs/1910.07467, equation 4.
 */
export function rmsNorm(scope: Scope, x: tf.Tensor, eps: number): tf.Tensor {
  return scaledByRms(eps)(x, parameter(scope, "weight"));
}

/** LayerNorm with weight and bias over the last axis, any leading shape. https://arxiv.org/abs/1607.06450, equation 4. */
export function layerNorm(scope: Scope, x: tf.Tensor, eps: number): tf.Tensor {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), eps));
  return tf.add(tf.mul(tf.mul(centered, inverse), parameter(scope, "weight")), parameter(scope, "bias"));
}
