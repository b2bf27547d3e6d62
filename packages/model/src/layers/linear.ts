import * as tf from "@tensorflow/tfjs";
import { dropOut } from "./dropout.ts";
import { optionalParameter, parameter, type Scope } from "./scope.ts";

/**
 * `x W^T + b`, plus `scaling (x A^T) B^T` where an adapter takes part (LoRA, https://arxiv.org/abs/2106.09685, equation 3).
 * `x` is `[n, in]`, the result `[n, out]`; weights lie as PyTorch stores them, `[out, in]`.
 */
export function linear(scope: Scope, x: tf.Tensor): tf.Tensor {
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
