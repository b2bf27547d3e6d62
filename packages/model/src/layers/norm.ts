import * as tf from "@tensorflow/tfjs";
import { parameter, type Scope } from "./scope.ts";

type Saver = (tensors: tf.Tensor[]) => void;

/** Its gradient is written by hand: the tape of the plain formula keeps three times the activations. */
const scaledByRms = (eps: number) =>
  tf.customGrad((...inputs: unknown[]) => {
    const [x, weight, save] = inputs as [tf.Tensor, tf.Tensor, Saver];
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps));
    const normal = tf.mul(x, inverse);
    save([weight, inverse, normal]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [w, r, h] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const dh = tf.mul(dy, w);
      const dx = tf.mul(tf.sub(dh, tf.mul(h, tf.mean(tf.mul(dh, h), -1, true))), r);
      const width = w.shape[0] as number;
      const dw = tf.sum(tf.reshape(tf.mul(dy, h), [-1, width]), 0);
      return [dx, dw];
    };
    return { value: tf.mul(normal, weight), gradFunc };
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
