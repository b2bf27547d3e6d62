import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import { isGraphNode, type GraphNode } from "../graph/node.ts";
import { activeRecording } from "../graph/recording.ts";
import { callSite } from "../record/call-site.ts";
import { afterKernel } from "../record/record-backend.ts";
import { isTfTensor } from "../record/record.ts";
import { mapLeaves, visitLeaves } from "../tree.ts";
import { tapeState } from "./stop-gradient.ts";

/** Makes `x` available only after `earlier` is computed. Outside recorded functions `x` itself. */
function after(x: tf.Tensor, earlier: readonly tf.Tensor[]): tf.Tensor {
  if (!activeRecording() || earlier.length === 0) return x;
  const inputs = Object.fromEntries([x, ...earlier].map((tensor, index) => [`x${index}`, tensor]));
  return tf.engine().runKernel(afterKernel, inputs) as unknown as tf.Tensor;
}

/**
 * A function that keeps only its arguments for the backward pass and computes `fn` again there (Chen et al. 2016,
 * https://arxiv.org/abs/1604.06174). Arguments are trees of tensors; the result is one tensor. Everything that needs a
 * gradient must be an argument.
 *
 * Two dependencies that compute nothing keep the memory low: the recomputation waits for the gradient that arrives, and
 * the gradient that leaves waits for the gradients of the weights.
 *
 * @throws VlmR1Error `invalid-argument` while recording, when `fn` captures a tensor that needs a gradient.
 */
export function checkpoint<Arguments extends readonly unknown[]>(
  fn: (...args: Arguments) => tf.Tensor,
): (...args: Arguments) => tf.Tensor {
  return (...args) => {
    const leaves: tf.Tensor[] = [];
    visitLeaves(args, isTfTensor, (leaf) => isTfTensor(leaf) && leaves.push(leaf));
    const call = (tensors: readonly tf.Tensor[]): tf.Tensor => {
      let next = 0;
      return fn(
        ...(mapLeaves(args, isTfTensor, (leaf) => (isTfTensor(leaf) ? tensors[next++] : leaf)) as Arguments),
      );
    };
    const run = tf.customGrad((...given: unknown[]) => {
      const save = given.pop() as (tensors: tf.Tensor[]) => void;
      const inputs = given as tf.Tensor[];
      save(inputs);
      const value = call(inputs);
      checkCaptures(value, inputs);
      const gradFunc = (dy: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]): tf.Tensor[] =>
        recompute(call, saved, Array.isArray(dy) ? dy[0]! : dy);
      return { value, gradFunc };
    });
    return run(...leaves);
  };
}

function recompute(
  call: (tensors: readonly tf.Tensor[]) => tf.Tensor,
  saved: readonly tf.Tensor[],
  dy: tf.Tensor,
): tf.Tensor[] {
  const state = tapeState();
  const outerTape = state.activeTape; // a nested gradient would leave the outer tape closed
  try {
    const wanted = saved.map((x) => x.dtype === "float32" && needsGradient(x));
    const computed = saved.map((x, index) => wanted[index]! && isComputed(x));
    const late = saved.map((x, index) => (computed[index] ? after(x, [dy]) : x));
    const variables = late.filter((_, index) => wanted[index]);
    const { grads } = tf.engine().gradients(() => call(late), variables, dy, true);
    let next = 0;
    const all = saved.map((x, index) =>
      wanted[index] ? (grads[next++] ?? tf.zerosLike(x)) : tf.zerosLike(x),
    );
    // What leaves for the previous block waits for the weights' gradients, so that what those need can be freed.
    const weights = all.filter((_, index) => wanted[index] && !computed[index]);
    return all.map((gradient, index) => (computed[index] ? after(gradient, weights) : gradient));
  } finally {
    state.activeTape = outerTape;
  }
}

/** Whether a tensor of a recording depends on a differentiation variable. Always true outside recordings. */
function needsGradient({ dataId }: tf.Tensor): boolean {
  const recording = activeRecording();
  if (!recording || recording.variables.length === 0 || !isGraphNode(dataId)) return true;
  const variables = new Set<GraphNode>(recording.variables.flat());
  return findAncestor(dataId, new Set(), (node) => variables.has(node)) !== undefined;
}

/** Whether a tensor is a result of computation rather than an argument of the recorded function. */
function isComputed({ dataId }: tf.Tensor): boolean {
  if (!isGraphNode(dataId)) return false;
  let node: GraphNode = dataId;
  while (node.op === "Reshape" || node.op === "Slice" || node.op === "Transpose") node = node.inputs[0]!;
  return node.op !== "Input" && node.op !== "Const";
}

/** Searches the operands of `from`, itself included, without entering `borders`. */
function findAncestor(
  from: GraphNode,
  borders: ReadonlySet<object>,
  matches: (node: GraphNode) => boolean,
): GraphNode | undefined {
  const pending = [from];
  const seen = new Set<GraphNode>();
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (seen.has(node) || borders.has(node)) continue;
    seen.add(node);
    if (matches(node)) return node;
    pending.push(...node.inputs);
  }
  return undefined;
}

/** A node and what it reshapes: a reshape of a reshape is recorded as one, which goes past the argument itself. */
function withBases(id: object): object[] {
  const bases: object[] = [id];
  let node = isGraphNode(id) ? id : undefined;
  while (node?.op === "Reshape") {
    node = node.inputs[0];
    if (node) bases.push(node);
  }
  return bases;
}

/** A captured tensor between the variables and the result would silently get no gradient. */
function checkCaptures(value: tf.Tensor, inputs: readonly tf.Tensor[]): void {
  const recording = activeRecording();
  if (!recording || recording.variables.length === 0 || !isGraphNode(value.dataId)) return;
  const given = new Set<object>(inputs.flatMap(({ dataId }) => withBases(dataId)));
  const variables = new Set<GraphNode>(recording.variables.flat());
  const captured = findAncestor(value.dataId, given, (node) => variables.has(node));
  if (!captured) return;
  throw new VlmR1Error(
    "invalid-argument",
    `A checkpointed function captures a tensor of shape [${captured.shape.join(", ")}] that needs a gradient (${callSite()}). ` +
      "Pass it, and everything computed from parameters, as an argument.",
  );
}
