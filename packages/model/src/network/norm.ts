import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import { parameter, type Saver, type Scope } from "./scope.ts";
import type { TensorSpec } from "./tensors.ts";

/**
 * `x / sqrt(mean(x^2) + eps) * weight` over the last axis, any leading shape. RMSNorm, https://arxiv.org/abs/1910.07467, equation
 * 4.
 */
export function rmsNorm(scope: Scope, x: tf.Tensor, eps: number): tf.Tensor {
  return scaledByRms(eps)(x, parameter(scope, "weight"));
}

/**
 * Its gradient is written by hand, from x and the inverse r alone: with h = x r, and g = dy w, dx = r (g - h mean(g h)) = r g - x
 * r^3 mean(g x), and dw = sum of dy h over the rows. Both sums are products with `dy x`.
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

/** LayerNorm with weight and bias over the last axis, any leading shape. https://arxiv.org/abs/1607.06450, equation 4. */
export function layerNorm(scope: Scope, x: tf.Tensor, eps: number): tf.Tensor {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), eps));
  return tf.add(tf.mul(tf.mul(centered, inverse), parameter(scope, "weight")), parameter(scope, "bias"));
}

/** A LayerNorm: weight and bias. */
export function layerNormTensors(name: string, width: number): TensorSpec[] {
  return [
    { name: `${name}.weight`, shape: [width] },
    { name: `${name}.bias`, shape: [width] },
  ];
}

export type Activation = (x: tf.Tensor) => tf.Tensor;

/** GELU by the error function. https://arxiv.org/abs/1606.08415 */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/** GELU by the hyperbolic tangent (`gelu_pytorch_tanh`); differs from `gelu` by up to 5e-4. */
function geluTanh(x: tf.Tensor): tf.Tensor {
  const cubic = tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715), 1));
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(tf.mul(cubic, Math.sqrt(2 / Math.PI))), 1));
}

/** `x sigmoid(1.702 x)`, the approximation of CLIP and Qwen2-VL. */
function quickGelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));
}

/** `x sigmoid(x)`. */
function silu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(x));
}

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
