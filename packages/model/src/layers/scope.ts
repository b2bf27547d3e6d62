import type * as tf from "@tensorflow/tfjs";
import { VlmR1Error } from "@vlmr1/core";
import type { Tensors } from "../family.ts";

/** Adapters that take part in a forward pass: LoRA scaling by module name. A module that is not listed runs without one. */
export type AdapterScaling = ReadonlyMap<string, number>;

/** A place in the parameter tree: layers read their weights from it by short names. */
export interface Scope {
  readonly name: string;
  readonly tensors: Tensors;
  readonly adapters?: AdapterScaling | undefined;
}

/** The root of a parameter tree. */
export function rootScope(tensors: Tensors, adapters?: AdapterScaling): Scope {
  return { name: "", tensors, adapters };
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
