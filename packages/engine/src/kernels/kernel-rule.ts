import type { GraphNode } from "../graph/node.ts";

/** Operands of a kernel by the names that TensorFlow.js gives them. Kernels with a list of operands use `list`. */
export type Operands = Readonly<
  Record<
    | "x"
    | "a"
    | "b"
    | "input"
    | "logits"
    | "condition"
    | "t"
    | "e"
    | "value"
    | "indices"
    | "segmentIds"
    | "params"
    | "updates"
    | "tensor"
    | "dy"
    | "y"
    | "filter"
    | "images"
    | "output"
    | "alpha"
    | "mean"
    | "variance"
    | "weights"
    | "sparseIndices"
    | "sparseValues"
    | "defaultValue"
    | "image"
    | "sortedSequence"
    | "values"
    | "data",
    GraphNode
  >
> & {
  readonly scale?: GraphNode;
  readonly offset?: GraphNode;
  readonly bias?: GraphNode;
  readonly preluActivationWeights?: GraphNode;
  readonly list: readonly GraphNode[];
};

/**
 * Attributes as TensorFlow.js passes them. Their types differ from kernel to kernel and are not checked by its own
 * `registerKernel` either, hence `any` here and nowhere else.
 */
// oxlint-disable-next-line typescript/no-explicit-any
export type KernelAttributes = Readonly<Record<string, any>>;

/** Expresses one TensorFlow.js kernel in primitive operations. */
export type KernelRule = (
  operands: Operands,
  attributes: KernelAttributes,
) => GraphNode | readonly GraphNode[];

/** Kernels by name. */
export type KernelTable = Readonly<Record<string, KernelRule>>;
