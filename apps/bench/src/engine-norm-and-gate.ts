import * as tf from "@tensorflow/tfjs";

type Saver = (tensors: tf.Tensor[]) => void;

/** With the gradient of the model package's norm: from x and the inverse r alone, dx = r g - x r^3 mean(g x) with g = dy w. */
export const rmsNorm = tf.customGrad((...given: unknown[]) => {
  const [x, weight, save] = given as [tf.Tensor, tf.Tensor, Saver];
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6));
  save([x, weight, inverse]);
  const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
    const [x, w, r] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    const width = w.shape[0]!;
    const products = tf.reshape(tf.mul(dy, x), [-1, width]);
    const sums = tf.reshape(tf.matMul(products, tf.reshape(w, [width, 1])), r.shape);
    const pull = tf.mul(sums, tf.div(tf.mul(tf.square(r), r), width));
    const dx = tf.sub(tf.mul(tf.mul(dy, w), r), tf.mul(x, pull));
    return [dx, tf.reshape(tf.matMul(tf.reshape(r, [1, -1]), products), [width])];
  };
  return { value: tf.mul(tf.mul(x, inverse), weight), gradFunc: gradFunc };
}) as (x: tf.Tensor, weight: tf.Tensor) => tf.Tensor;

/** `silu(gate) up`; its gradient by hand takes two passes over the activations less than the tape's. */
export const swiGlu = tf.customGrad((...given: unknown[]) => {
  const [gate, up, save] = given as [tf.Tensor, tf.Tensor, Saver];
  const sigmoid = tf.sigmoid(gate);
  const gated = tf.mul(gate, sigmoid);
  save([up, sigmoid, gated]);
  const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
    const [u, s, g] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    return [tf.mul(tf.mul(dy, u), tf.add(s, tf.mul(g, tf.sub(1, s)))), tf.mul(dy, g)];
  };
  return { value: tf.mul(gated, up), gradFunc: gradFunc };
}) as (gate: tf.Tensor, up: tf.Tensor) => tf.Tensor;
