import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import { isGraphNode, type GraphNode } from "../graph/node.ts";
import { activeRecording } from "../graph/recording.ts";
import { isTfTensor } from "../record/record.ts";
import { mapLeaves, visitLeaves } from "../tree.ts";

/** A loss, with anything else that the caller wants to see. */
export interface ValueWithAux<Aux> {
  readonly value: tf.Tensor;
  readonly aux: Aux;
}

/** The value of a function and its gradients, a tree like the parameters. */
export interface ValueAndGrads<Params> {
  readonly value: tf.Scalar;
  readonly grads: Params;
}

/** What `valueAndGrad` of a function with aux returns. */
export interface ValueAuxAndGrads<Params, Aux> extends ValueAndGrads<Params> {
  readonly aux: Aux;
}

/**
 * The function that computes `fn` and its gradients by every tensor of its first argument, with TensorFlow.js's own tape.
 * `fn` returns a scalar, or `{ value, aux }` where `aux` is a tree of tensors that passes through. A parameter that the
 * value does not depend on has gradient 0.
 *
 * @throws VlmR1Error `invalid-argument` when the value is not a scalar or depends on no parameter.
 */
export function valueAndGrad<Params, Rest extends readonly unknown[], Aux>(
  fn: (params: Params, ...rest: Rest) => ValueWithAux<Aux>,
): (params: Params, ...rest: Rest) => ValueAuxAndGrads<Params, Aux>;
export function valueAndGrad<Params, Rest extends readonly unknown[]>(
  fn: (params: Params, ...rest: Rest) => tf.Tensor,
): (params: Params, ...rest: Rest) => ValueAndGrads<Params>;
export function valueAndGrad<Params, Rest extends readonly unknown[]>(
  fn: (params: Params, ...rest: Rest) => tf.Tensor | ValueWithAux<unknown>,
) {
  return (params: Params, ...rest: Rest): ValueAuxAndGrads<Params, unknown> => {
    const variables: tf.Tensor[] = [];
    visitLeaves(params, isTfTensor, (leaf, path) => {
      if (!isTfTensor(leaf) || leaf.dtype !== "float32") {
        throw new VlmR1Error(
          "invalid-argument",
          `Cannot differentiate by ${path}: only float32 tensors have gradients.`,
        );
      }
      variables.push(leaf);
    });
    let aux: unknown;
    const forward = (): tf.Tensor => {
      const result = fn(params, ...rest);
      if (isTfTensor(result)) return checkScalar(result);
      aux = mapLeaves(result.aux, isTfTensor, (leaf) => (isTfTensor(leaf) ? tf.keep(leaf.clone()) : leaf));
      return checkScalar(result.value);
    };
    const { value, grads } = withVariables(variables, () => differentiate(forward, variables));
    let next = 0;
    const tree = mapLeaves(params, isTfTensor, () => grads[next++]) as Params;
    return { value, grads: tree, aux: mapLeaves(aux, isTfTensor, (leaf) => release(leaf)) };
  };
}

/** The function that computes the gradients of `fn` by every tensor of its first argument. See `valueAndGrad`. */
export function grad<Params, Rest extends readonly unknown[]>(
  fn: (params: Params, ...rest: Rest) => tf.Tensor,
): (params: Params, ...rest: Rest) => Params {
  const both = valueAndGrad(fn);
  return (params, ...rest) => both(params, ...rest).grads;
}

function differentiate(
  forward: () => tf.Tensor,
  variables: tf.Tensor[],
): { value: tf.Scalar; grads: tf.Tensor[] } {
  const { value, grads } = tf.engine().gradients(forward, variables, undefined, true);
  if (variables.length > 0 && grads.every((gradient) => gradient === null || gradient === undefined)) {
    throw new VlmR1Error(
      "invalid-argument",
      "The value depends on none of the parameters. Compute it from the first argument.",
    );
  }
  return {
    value: value as tf.Scalar,
    grads: grads.map((gradient, index) => gradient ?? tf.zerosLike(variables[index]!)),
  };
}

function checkScalar(value: tf.Tensor): tf.Tensor {
  if (value.size === 1 && value.rank === 0) return value;
  throw new VlmR1Error(
    "invalid-argument",
    `A function to differentiate must return a scalar; it returned [${value.shape.join(", ")}]. Take tf.mean or tf.sum.`,
  );
}

/** Moves a kept tensor into the scope of the caller. */
function release(leaf: unknown): unknown {
  if (!isTfTensor(leaf)) return leaf;
  const moved = leaf.clone();
  leaf.dispose();
  return moved;
}

function withVariables<T>(variables: readonly tf.Tensor[], body: () => T): T {
  const recording = activeRecording();
  if (!recording) return body();
  const nodes = variables.map(({ dataId }) => dataId).filter((id): id is GraphNode => isGraphNode(id));
  recording.variables.push(nodes);
  try {
    return body();
  } finally {
    recording.variables.pop();
  }
}
