import * as tf from "@tensorflow/tfjs";
import { dropOut } from "./dropout.ts";
import { optionalParameter, parameter, type Scope } from "./scope.ts";

/**
 * `x W^T + b`, plus `scaling (x A^T) B^T` where an adapter takes part (LoRA, https://arxiv.org/abs/2106.09685, equation 3).
 * `x` is `[n, in]`, the result `[n, out]`; weights lie as PyTorch stores them, `[out, in]`. Where the scope knows the result, only
 * the gradient is computed.
 */
export function linear(scope: Scope, x: tf.Tensor): tf.Tensor {
  const y = project(scope, x);
  scope.outputs?.set(scope.name, y);
  const known = scope.known?.[scope.name];
  return known ? knownValue(y, known) : y;
}

function project(scope: Scope, x: tf.Tensor): tf.Tensor {
  const bias = optionalParameter(scope, "bias");
  let y: tf.Tensor = tf.matMul(x, parameter(scope, "weight"), false, true); // [n, out]
  if (bias) y = tf.add(y, bias);
  const scaling = scope.adapters?.get(scope.name);
  if (scaling === undefined) return y;
  const kept = scope.dropout ? dropOut(x, scope.dropout, scope.name) : x;
  const low = tf.matMul(kept, parameter(scope, "lora_A.weight"), false, true); // [n, r]
  const update = tf.matMul(tf.mul(low, scaling), parameter(scope, "lora_B.weight"), false, true); // [n, out]
  return tf.add(y, update);
}

/** The value of `known` with the gradient of `y`. The graph then needs no `y`, and what only `y` needs is not computed. */
const knownValue = tf.customGrad((...inputs: unknown[]) => {
  const [, known] = inputs as [tf.Tensor, tf.Tensor];
  return { value: tf.clone(known), gradFunc: (dy: tf.Tensor) => [dy, tf.zerosLike(dy)] };
}) as (y: tf.Tensor, known: tf.Tensor) => tf.Tensor;
