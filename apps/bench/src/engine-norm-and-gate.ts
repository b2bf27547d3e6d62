import * as tf from "@tensorflow/tfjs";

type Saver = (tensors: tf.Tensor[]) => void;

/** Its gradient by hand takes two passes over the activations less than the tape's. */
export const rmsNorm = tf.customGrad((...given: unknown[]) => {
  const [x, weight, save] = given as [tf.Tensor, tf.Tensor, Saver];
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6));
  const normal = tf.mul(x, inverse);
  save([weight, inverse, normal]);
  const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
    const [w, r, h] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    const dh = tf.mul(dy, w);
    const dx = tf.mul(tf.sub(dh, tf.mul(h, tf.mean(tf.mul(dh, h), -1, true))), r);
    return [dx, tf.sum(tf.reshape(tf.mul(dy, h), [-1, w.shape[0]!]), 0)];
  };
  return { value: tf.mul(normal, weight), gradFunc: gradFunc as never };
}) as (x: tf.Tensor, weight: tf.Tensor) => tf.Tensor;

/** `silu(gate) up`; by hand for the same reason. */
export const swiGlu = tf.customGrad((...given: unknown[]) => {
  const [gate, up, save] = given as [tf.Tensor, tf.Tensor, Saver];
  const sigmoid = tf.sigmoid(gate);
  const gated = tf.mul(gate, sigmoid);
  save([up, sigmoid, gated]);
  const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
    const [u, s, g] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    return [tf.mul(tf.mul(dy, u), tf.add(s, tf.mul(g, tf.sub(1, s)))), tf.mul(dy, g)];
  };
  return { value: tf.mul(gated, up), gradFunc: gradFunc as never };
}) as (gate: tf.Tensor, up: tf.Tensor) => tf.Tensor;
