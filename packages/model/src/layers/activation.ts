import * as tf from "@tensorflow/tfjs";
import { VlmR1Error } from "@vlmr1/core";

export type Activation = (x: tf.Tensor) => tf.Tensor;

/** GELU by the error function. https://arxiv.org/abs/1606.08415 */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/** GELU by the hyperbolic tangent (`gelu_pytorch_tanh`); differs from `gelu` by up to 5e-4. */
export function geluTanh(x: tf.Tensor): tf.Tensor {
  const cubic = tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715), 1));
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(tf.mul(cubic, Math.sqrt(2 / Math.PI))), 1));
}

/** `x sigmoid(1.702 x)`, the approximation of CLIP and Qwen2-VL. */
export function quickGelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));
}

/** `x sigmoid(x)`. */
export function silu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(x));
}

type Saver = (tensors: tf.Tensor[]) => void;

/** `silu(gate) * up` with a gradient by hand that keeps three tensors instead of six. GLU variants, https://arxiv.org/abs/2002.05202. */
export const swiGlu = tf.customGrad((...inputs: unknown[]) => {
  const [gate, up, save] = inputs as [tf.Tensor, tf.Tensor, Saver];
  const sigmoid = tf.sigmoid(gate);
  const gated = tf.mul(gate, sigmoid);
  save([up, sigmoid, gated]);
  const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
    const [u, s, g] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    const slope = tf.add(s, tf.mul(g, tf.sub(1, s)));
    return [tf.mul(tf.mul(dy, u), slope), tf.mul(dy, g)];
  };
  return { value: tf.mul(gated, up), gradFunc };
}) as (gate: tf.Tensor, up: tf.Tensor) => tf.Tensor;

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu,
  gelu_pytorch_tanh: geluTanh,
  quick_gelu: quickGelu,
  silu,
};

/** The activation that a configuration names in `hidden_act`. Throws `VlmR1Error` for a name that no family uses. */
export function activationByName(name: string): Activation {
  const found = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (found) return found;
  const known = Object.keys(ACTIVATIONS).join(", ");
  throw new VlmR1Error("unsupported", `hidden_act is "${name}"; supported are ${known}.`);
}
