import type * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import type { Tensors } from "./tensors.ts";

/** Keeps tensors of a forward pass for a gradient by hand (`tf.customGrad`). */
export type Saver = (tensors: tf.Tensor[]) => void;

/** Adapters that take part in a forward pass: LoRA scaling by module name. A module that is not listed runs without one. */
export type AdapterScaling = ReadonlyMap<string, number>;

/** Noise of one training pass, for dropout in front of adapters. */
export interface AdapterDropout {
  /** Share of the inputs that is zeroed; in (0, 1). */
  readonly rate: number;
  /** Uniform numbers, at least one for each row of a layer's input. `[rows]` */
  readonly rows: tf.Tensor;
  /** Uniform numbers, at least one for each column. `[columns]` */
  readonly columns: tf.Tensor;
}

/** A place in the parameter tree: layers read their weights from it by short names. */
export interface Scope {
  readonly name: string;
  readonly tensors: Tensors;
  readonly adapters?: AdapterScaling | undefined;
  readonly dropout?: AdapterDropout | undefined;
  /** Where linear layers leave what they give, by module name. */
  readonly outputs?: Map<string, tf.Tensor> | undefined;
  /** What linear layers give where that is known already, by module name. */
  readonly known?: Tensors | undefined;
}

/** The root of a parameter tree. */
export function rootScope(tensors: Tensors, adapters?: AdapterScaling, dropout?: AdapterDropout): Scope {
  return { name: "", tensors, adapters, dropout };
}

/** The scope of a submodule; `path` may have several parts, for example `self_attn.q_proj`. */
export function child(scope: Scope, path: string): Scope {
  return { ...scope, name: scope.name === "" ? path : `${scope.name}.${path}` };
}

/** The parameter `name` of this scope. Throws `VlmR1Error` with the full name when the tree lacks it. */
export function parameter(scope: Scope, name: string): tf.Tensor {
  const found = optionalParameter(scope, name);
  if (found) return found;
  throw new VlmR1Error("invalid-data", `The model has no parameter "${scope.name}.${name}".`);
}

/** The parameter `name` of this scope, or undefined. */
export function optionalParameter(scope: Scope, name: string): tf.Tensor | undefined {
  return scope.tensors[`${scope.name}.${name}`];
}
