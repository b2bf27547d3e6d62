import * as tf from "@tensorflow/tfjs-core";
import type { DType } from "../engine-types.ts";
import { allocate, sizeOf } from "../host-data.ts";
import { hasOp, isScalarConstant, type GraphNode } from "./node.ts";
import type { ElementwisePrimitive, PrimitiveAttributes } from "./primitive.ts";
import { constant, node, scalar } from "./recording.ts";

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** The numpy broadcast of shapes. */
export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  return shapes.reduce<number[]>((a, b) => tf.backend_util.assertAndGetBroadcastShape(a, [...b]), []);
}

/** A non-negative axis. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Repeats unit axes. */
export function broadcast(x: GraphNode, shape: readonly number[]): GraphNode {
  if (sameShape(x.shape, shape)) return x;
  const source = hasOp(x, "BroadcastTo") ? x.inputs[0]! : x;
  return source === x ? node("BroadcastTo", [x], shape, x.dtype, {}) : broadcast(source, shape);
}

/** The same elements under another shape. */
export function reshape(x: GraphNode, shape: readonly number[]): GraphNode {
  if (sameShape(x.shape, shape)) return x;
  if (hasOp(x, "Reshape")) return reshape(x.inputs[0]!, shape);
  if (hasOp(x, "BroadcastTo") && sizeOf(x.inputs[0]!.shape) === 1)
    return broadcast(reshape(x.inputs[0]!, []), shape);
  if (hasOp(x, "Const")) return constant(x.data!, shape);
  return node("Reshape", [x], shape, x.dtype, {});
}

/** Converts elements; float to int truncates, anything to bool compares with zero. */
export function cast(x: GraphNode, to: DType): GraphNode {
  if (x.dtype === to) return x;
  if (hasOp(x, "BroadcastTo")) return broadcast(cast(x.inputs[0]!, to), x.shape);
  if (to === "bool")
    return elementwise("Not", [elementwise("Equal", [x, scalar(0, x.dtype)], "bool")], "bool");
  if (hasOp(x, "Const") && x.data!.length === 1) {
    const data = allocate(to, 1);
    data[0] = x.data![0]!;
    return constant(data, x.shape);
  }
  return node("Cast", [x], x.shape, to, { to });
}

/** Permutes axes. */
export function transpose(x: GraphNode, perm: readonly number[]): GraphNode {
  if (perm.every((from, to) => from === to)) return x;
  if (hasOp(x, "Transpose"))
    return transpose(
      x.inputs[0]!,
      perm.map((axis) => x.attributes.perm[axis]!),
    );
  const shape = perm.map((axis) => x.shape[axis]!);
  const moved = perm.filter((axis) => x.shape[axis] !== 1);
  if (moved.every((axis, k) => k === 0 || moved[k - 1]! < axis)) return reshape(x, shape); // only unit axes move
  return node("Transpose", [x], shape, x.dtype, { perm });
}

/** The operand that an operation with a neutral element leaves unchanged, if any. */
function neutral(op: ElementwisePrimitive, a: GraphNode, b: GraphNode | undefined): GraphNode | undefined {
  if (op === "Mul") return isScalarConstant(b, 1) ? a : isScalarConstant(a, 1) ? b : undefined;
  if (op === "Div" || op === "Pow") return isScalarConstant(b, 1) ? a : undefined;
  if (op === "Add") return isScalarConstant(b, 0) ? a : isScalarConstant(a, 0) ? b : undefined;
  return op === "Sub" && isScalarConstant(b, 0) ? a : undefined;
}

/** An elementwise operation. Operands that were broadcast are used unbroadcast: the operation runs on as few elements as possible. */
export function elementwise(
  op: ElementwisePrimitive,
  inputs: readonly GraphNode[],
  dtype?: DType,
): GraphNode {
  const full = broadcastShape(inputs.map((input) => input.shape));
  const small = inputs.map((input) => (hasOp(input, "BroadcastTo") ? input.inputs[0]! : input));
  const shape = broadcastShape(small.map((input) => input.shape));
  const same = neutral(op, small[0]!, small[1]);
  const result = same
    ? broadcast(reshape(same, alignRank(same.shape, shape.length)), shape)
    : node(op, small, shape, dtype ?? small.at(-1)!.dtype, {});
  return broadcast(result, full);
}

function alignRank(shape: readonly number[], rank: number): number[] {
  return [...Array<number>(rank - shape.length).fill(1), ...shape];
}

type Reduction = "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd";
const emptyReduction = {
  ReduceSum: 0,
  ReduceMean: NaN,
  ReduceMax: -Infinity,
  ReduceMin: Infinity,
  ReduceProd: 1,
};

/** Reduces over `axis` (all axes when undefined). */
export function reduce(
  op: Reduction,
  x: GraphNode,
  axis: number | readonly number[] | undefined,
  keepDims: boolean,
): GraphNode {
  const all = axis === undefined || axis === null ? x.shape.map((_, k) => k) : axis;
  const axes = tf.util.parseAxisParam(all as number | number[], [...x.shape]).sort((a, b) => a - b);
  const kept = x.shape.map((extent, k) => (axes.includes(k) ? 1 : extent));
  const shape = keepDims ? kept : x.shape.filter((_, k) => !axes.includes(k));
  const operand = op === "ReduceMean" ? cast(x, "float32") : x;
  if (sizeOf(x.shape) === 0) return broadcast(scalar(emptyReduction[op], operand.dtype), shape);
  if (axes.every((k) => x.shape[k] === 1)) return reshape(operand, shape);
  return node(op, [operand], shape, operand.dtype, { axes, keepDims });
}

/** `size[i]` elements of every axis from `begin[i]`, `strides[i]` apart. */
export function slice(
  x: GraphNode,
  begin: readonly number[],
  size: readonly number[],
  strides?: readonly number[],
): GraphNode {
  if (sameShape(size, x.shape)) return x;
  if (hasOp(x, "BroadcastTo") && sizeOf(x.inputs[0]!.shape) === 1) return broadcast(x.inputs[0]!, size);
  return node("Slice", [x], size, x.dtype, { begin, strides: strides ?? begin.map(() => 1) });
}

/** Joins along `axis`. */
export function concat(parts: readonly GraphNode[], axis: number): GraphNode {
  const filled = parts.filter((part) => sizeOf(part.shape) > 0);
  if (filled.length === 1) return filled[0]!;
  const used = filled.length === 0 ? parts : filled;
  const shape = [...used[0]!.shape];
  shape[axis] = used.reduce((total, part) => total + part.shape[axis]!, 0);
  return node("Concat", used, shape, used[0]!.dtype, { axis });
}

/** Consecutive parts along `axis`. */
export function split(x: GraphNode, axis: number, sizes: readonly number[]): GraphNode[] {
  let start = 0;
  return sizes.map((extent) => {
    const begin = x.shape.map((_, k) => (k === axis ? start : 0));
    const size = x.shape.map((full, k) => (k === axis ? extent : full));
    start += extent;
    return slice(x, begin, size);
  });
}

/** Adds borders filled with `value`. */
export function pad(x: GraphNode, paddings: PrimitiveAttributes["Pad"]["paddings"], value = 0): GraphNode {
  const shape = x.shape.map((extent, k) => extent + paddings[k]![0] + paddings[k]![1]);
  if (sameShape(shape, x.shape)) return x;
  if (sizeOf(x.shape) === 0) return broadcast(scalar(value, x.dtype), shape);
  return node("Pad", [x, scalar(value, x.dtype)], shape, x.dtype, { paddings });
}

/** Batched matrix product. */
export function matMul(a: GraphNode, b: GraphNode, transposeA = false, transposeB = false): GraphNode {
  const rows = a.shape.at(transposeA ? -1 : -2)!;
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  const shape = [...broadcastShape([a.shape.slice(0, -2), b.shape.slice(0, -2)]), rows, columns];
  if (a.shape.at(transposeA ? -2 : -1) === 0) return broadcast(scalar(0), shape);
  return node("MatMul", [a, b], shape, "float32", { transposeA, transposeB });
}

/** Rows of `x` along `axis`; `indices` int32 of any shape. */
export function gather(x: GraphNode, indices: GraphNode, axis: number): GraphNode {
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return node("Gather", [x, cast(indices, "int32")], shape, x.dtype, { axis });
}

/** `start, start + step, ...`, `length` numbers. */
export function range(start: number, length: number, step: number, dtype: DType): GraphNode {
  const data = allocate(dtype, length);
  for (let k = 0; k < length; k++) data[k] = start + k * step;
  return constant(data, [length]);
}
