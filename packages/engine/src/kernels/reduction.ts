import {
  axisOf,
  broadcast,
  cast,
  concat,
  elementwise,
  matMul,
  reduce,
  reshape,
  split,
  transpose,
} from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import { node, scalar } from "../graph/recording.ts";
import { activate } from "./elementwise.ts";
import type { KernelTable } from "./kernel-rule.ts";

const asNumber = (x: GraphNode): GraphNode => (x.dtype === "bool" ? cast(x, "int32") : x);

/** Kernels that combine the elements of an axis. */
export const reductionKernels: KernelTable = {
  Sum: ({ x }, { axis, keepDims }) => reduce("ReduceSum", asNumber(x), axis, keepDims),
  Mean: ({ x }, { axis, keepDims }) => reduce("ReduceMean", x, axis, keepDims),
  Max: ({ x }, { reductionIndices, keepDims }) =>
    reduce("ReduceMax", asNumber(x), reductionIndices, keepDims),
  Min: ({ x }, { axis, keepDims }) => reduce("ReduceMin", asNumber(x), axis, keepDims),
  Prod: ({ x }, { axis, keepDims }) => reduce("ReduceProd", asNumber(x), axis, keepDims),
  Any: ({ x }, { axis, keepDims }) => cast(reduce("ReduceMax", cast(x, "int32"), axis, keepDims), "bool"),
  All: ({ x }, { axis, keepDims }) => cast(reduce("ReduceMin", cast(x, "int32"), axis, keepDims), "bool"),
  ArgMax: ({ x }, { axis }) => argument("ArgMax", x, axis),
  ArgMin: ({ x }, { axis }) => argument("ArgMin", x, axis),
  Cumsum: ({ x }, { axis, exclusive, reverse }) => {
    const operand = asNumber(x);
    return node("CumSum", [operand], x.shape, operand.dtype, {
      axis: axisOf(axis, x.shape.length),
      exclusive,
      reverse,
    });
  },
  Cumprod: ({ x }, { axis, exclusive, reverse }) => cumulativeProduct(asNumber(x), axis, exclusive, reverse),
  Softmax: ({ logits }, { dim }) => softmax(logits, axisOf(dim, logits.shape.length)),
  BatchMatMul: ({ a, b }, { transposeA, transposeB }) => matMul(a, b, transposeA, transposeB),
  _FusedMatMul: (operands, attributes) => {
    const product = matMul(operands.a, operands.b, attributes["transposeA"], attributes["transposeB"]);
    const biased = operands.bias ? elementwise("Add", [product, operands.bias]) : product;
    return activate(biased, attributes["activation"], operands, attributes);
  },
  Einsum: ({ list }, { equation }) => einsum(equation, list),
};

function argument(op: "ArgMax" | "ArgMin", x: GraphNode, axis: number | readonly number[]): GraphNode {
  const at = axisOf(Array.isArray(axis) ? (axis[0] as number) : (axis as number), x.shape.length);
  const shape = x.shape.filter((_, k) => k !== at);
  return node(op, [asNumber(x)], shape, "int32", { axis: at });
}

/** Softmax of the last axis, moved there if necessary. */
function softmax(x: GraphNode, axis: number): GraphNode {
  const last = x.shape.length - 1;
  if (axis === last) return node("Softmax", [x], x.shape, "float32", {});
  const perm = x.shape.map((_, k) => (k === axis ? last : k === last ? axis : k));
  return transpose(softmax(transpose(x, perm), last), perm);
}

function cumulativeProduct(x: GraphNode, axis: number, exclusive: boolean, reverse: boolean): GraphNode {
  const at = axisOf(axis, x.shape.length);
  const parts = split(x, at, Array<number>(x.shape[at]!).fill(1));
  if (reverse) parts.reverse();
  let running = broadcast(scalar(1, x.dtype), parts[0]!.shape);
  const products = parts.map((part) => {
    const before = running;
    running = elementwise("Mul", [running, part]);
    return exclusive ? before : running;
  });
  return concat(reverse ? products.reverse() : products, at);
}

/** One or two operands, every letter at most once in an operand: what TensorFlow.js supports. */
function einsum(equation: string, list: readonly GraphNode[]): GraphNode {
  const [left, right = ""] = equation.replaceAll(" ", "").split("->");
  const letters = left!.split(",");
  const all = [...new Set([...right, ...letters.join("")])];
  const aligned = list.map((operand, k) => alignLetters(operand, [...letters[k]!], all));
  if (aligned.length === 1) return sumLetters(aligned[0]!, all.length - right.length);
  const [a, b] = list as [GraphNode, GraphNode];
  const summed = [...letters[0]!].filter((letter) => letters[1]!.includes(letter) && !right.includes(letter));
  const both = [...letters[0]!].filter((letter) => letters[1]!.includes(letter) && right.includes(letter));
  const onlyA = [...letters[0]!].filter((letter) => !letters[1]!.includes(letter));
  const onlyB = [...letters[1]!].filter((letter) => !letters[0]!.includes(letter));
  if (onlyA.some((x) => !right.includes(x)) || onlyB.some((x) => !right.includes(x))) {
    return sumLetters(elementwise("Mul", aligned), all.length - right.length);
  }
  const extent = (letter: string): number =>
    letters[0]!.includes(letter)
      ? a.shape[letters[0]!.indexOf(letter)]!
      : b.shape[letters[1]!.indexOf(letter)]!;
  const size = (group: readonly string[]): number => group.reduce((n, letter) => n * extent(letter), 1);
  const matrixA = reshape(orderLetters(a, [...letters[0]!], [...both, ...onlyA, ...summed]), [
    size(both),
    size(onlyA),
    size(summed),
  ]);
  const matrixB = reshape(orderLetters(b, [...letters[1]!], [...both, ...summed, ...onlyB]), [
    size(both),
    size(summed),
    size(onlyB),
  ]);
  const order = [...both, ...onlyA, ...onlyB];
  return orderLetters(reshape(matMul(matrixA, matrixB), order.map(extent)), order, [...right]);
}

function orderLetters(x: GraphNode, from: readonly string[], to: readonly string[]): GraphNode {
  return transpose(
    x,
    to.map((letter) => from.indexOf(letter)),
  );
}

function alignLetters(x: GraphNode, from: readonly string[], all: readonly string[]): GraphNode {
  const present = all.filter((letter) => from.includes(letter));
  const ordered = orderLetters(x, from, present);
  return reshape(
    ordered,
    all.map((letter) => (from.includes(letter) ? x.shape[from.indexOf(letter)]! : 1)),
  );
}

function sumLetters(x: GraphNode, trailing: number): GraphNode {
  const axes = x.shape.map((_, k) => k).slice(x.shape.length - trailing);
  return axes.length === 0 ? x : reduce("ReduceSum", x, axes, false);
}
