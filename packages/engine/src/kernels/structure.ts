import * as tf from "@tensorflow/tfjs-core";
import {
  axisOf,
  broadcast,
  cast,
  concat,
  elementwise,
  gather,
  pad,
  range,
  reshape,
  slice,
  split,
  transpose,
} from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import { constant, node, scalar } from "../graph/recording.ts";
import { sizeOf } from "../host-data.ts";
import type { KernelTable } from "./kernel-rule.ts";

const insert = (shape: readonly number[], axis: number, extent: number): number[] => [
  ...shape.slice(0, axis),
  extent,
  ...shape.slice(axis),
];

/** TensorFlow.js reads only the shape and type of this argument. */
const asInfo = (x: GraphNode): tf.Tensor =>
  ({ ...x, rank: x.shape.length, size: sizeOf(x.shape) }) as unknown as tf.Tensor;

/** Kernels that move elements without looking at them. */
export const structureKernels: KernelTable = {
  Identity: ({ x }) => x,
  Reshape: ({ x }, { shape }) => reshape(x, tf.util.inferFromImplicitShape(shape, sizeOf(x.shape))),
  ExpandDims: ({ input }, { dim }) =>
    reshape(input, insert(input.shape, axisOf(dim, input.shape.length + 1), 1)),
  Cast: ({ x }, { dtype }) => cast(x, dtype),
  Transpose: ({ x }, { perm }) => transpose(x, perm),
  BroadcastTo: ({ x }, { shape }) => broadcast(x, shape),
  Tile: ({ x }, { reps }) => tile(x, reps),
  Slice: ({ x }, attributes) => {
    const [begin, size] = tf.slice_util.parseSliceParams(asInfo(x), attributes["begin"], attributes["size"]);
    return slice(x, begin!, size!);
  },
  StridedSlice: ({ x }, attributes) => stridedSlice(x, attributes),
  Concat: ({ list }, { axis }) => concat(list, axisOf(axis, list[0]!.shape.length)),
  Pack: ({ list }, { axis }) => {
    const at = axisOf(axis, list[0]!.shape.length + 1);
    return concat(
      list.map((item) => reshape(item, insert(item.shape, at, 1))),
      at,
    );
  },
  Unpack: ({ value }, { axis }) => {
    const at = axisOf(axis, value.shape.length);
    const shape = value.shape.filter((_, k) => k !== at);
    return split(value, at, Array<number>(value.shape[at]!).fill(1)).map((part) => reshape(part, shape));
  },
  SplitV: ({ x }, { axis, numOrSizeSplits }) => {
    const at = axisOf(axis, x.shape.length);
    return split(x, at, tf.backend_util.prepareSplitSize(asInfo(x), numOrSizeSplits, at));
  },
  PadV2: ({ x }, { paddings, constantValue }) => pad(x, paddings, constantValue),
  MirrorPad: ({ x }, { paddings, mode }) => mirrorPad(x, paddings, mode === "reflect" ? 1 : 0),
  Reverse: ({ x }, { dims }) => {
    const axes = tf.util.parseAxisParam(dims, [...x.shape]).filter((axis) => x.shape[axis]! > 1);
    return axes.length === 0 ? x : node("Reverse", [x], x.shape, x.dtype, { axes });
  },
  FlipLeftRight: ({ image }) => node("Reverse", [image], image.shape, image.dtype, { axes: [2] }),
  SpaceToBatchND: ({ x }, { blockShape, paddings }) => spaceToBatch(x, blockShape, paddings),
  BatchToSpaceND: ({ x }, { blockShape, crops }) => batchToSpace(x, blockShape, crops),
  DepthToSpace: ({ x }, { blockSize, dataFormat }) => depthToSpace(x, blockSize, dataFormat),
  Diag: ({ x }) => diagonal(x),
};

/** Kernels without tensor operands, or that use only the shape of one. */
export const creationKernels: KernelTable = {
  Fill: (_, { shape, value, dtype }) => broadcast(scalar(value, dtype ?? "float32"), shape),
  ZerosLike: ({ x }) => broadcast(scalar(0, x.dtype), x.shape),
  OnesLike: ({ x }) => broadcast(scalar(1, x.dtype), x.shape),
  Range: (_, { start, stop, step, dtype }) =>
    range(start, Math.max(0, Math.ceil((stop - start) / step)), step, dtype ?? "float32"),
  LinSpace: (_, { start, stop, num }) =>
    range(start, num, num === 1 ? 0 : (stop - start) / (num - 1), "float32"),
  OneHot: ({ indices }, { depth, onValue, offValue, dtype }) => {
    const hit = elementwise(
      "Equal",
      [reshape(indices, [...indices.shape, 1]), range(0, depth, 1, "int32")],
      "bool",
    );
    return onValue === 1 && offValue === 0
      ? cast(hit, dtype)
      : elementwise("Where", [hit, scalar(onValue, dtype), scalar(offValue, dtype)]);
  },
};

function tile(x: GraphNode, reps: readonly number[]): GraphNode {
  const shape = x.shape.map((extent, k) => extent * reps[k]!);
  if (x.shape.every((extent, k) => extent === 1 || reps[k] === 1)) return broadcast(x, shape); // only unit axes repeat
  const inner = reshape(
    x,
    x.shape.flatMap((extent) => [1, extent]),
  ); // [1, d0, 1, d1, ...]
  const repeated = broadcast(
    inner,
    x.shape.flatMap((extent, k) => [reps[k]!, extent]),
  ); // [r0, d0, r1, d1, ...]
  return reshape(repeated, shape);
}

function stridedSlice(x: GraphNode, attributes: Parameters<NonNullable<KernelTable[string]>>[1]): GraphNode {
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
  const masks = [beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] as const;
  const plan = tf.slice_util.sliceInfo([...x.shape], begin, end, strides, ...masks);
  const empty = plan.finalShapeSparse.includes(0);
  if (empty) return broadcast(scalar(0, x.dtype), plan.finalShape);
  const backwards = plan.strides.map((stride: number) => stride < 0);
  const axes = backwards.flatMap((back: boolean, axis: number) => (back ? [axis] : []));
  const forward = axes.length === 0 ? x : node("Reverse", [x], x.shape, x.dtype, { axes });
  const from = plan.begin.map((start: number, axis: number) =>
    backwards[axis] ? x.shape[axis]! - 1 - start : start,
  );
  const size = x.shape.map((_, axis) => {
    const span = Math.abs(plan.end[axis]! - plan.begin[axis]!);
    return Math.ceil(span / Math.abs(plan.strides[axis]!));
  });
  return reshape(slice(forward, from, size, plan.strides.map(Math.abs)), plan.finalShape);
}

function mirrorPad(
  x: GraphNode,
  paddings: readonly (readonly [number, number])[],
  skipEdge: 0 | 1,
): GraphNode {
  return paddings.reduce((padded, [before, after], axis) => {
    if (before === 0 && after === 0) return padded;
    const extent = x.shape[axis]!;
    const index = Int32Array.from({ length: before + extent + after }, (_, position) => {
      const at = position - before;
      if (at < 0) return -at - 1 + skipEdge;
      return at < extent ? at : 2 * extent - 1 - at - skipEdge;
    });
    return gather(padded, constant(index, [index.length]), axis);
  }, x);
}

function spaceToBatch(
  x: GraphNode,
  block: readonly number[],
  paddings: readonly (readonly [number, number])[],
): GraphNode {
  const rank = block.length;
  const rest = x.shape.slice(rank + 1);
  const padded = pad(x, [[0, 0], ...paddings, ...rest.map(() => [0, 0] as const)]); // [B, s0, s1, ...]
  const cut = block.map((size, k) => padded.shape[k + 1]! / size);
  const split = reshape(padded, [x.shape[0]!, ...block.flatMap((size, k) => [cut[k]!, size]), ...rest]);
  const blocks = block.map((_, k) => 2 * k + 2);
  const cells = block.map((_, k) => 2 * k + 1);
  const perm = [...blocks, 0, ...cells, ...rest.map((_, k) => 2 * rank + 1 + k)]; // [b0, b1, ..., B, c0, c1, ...]
  return reshape(transpose(split, perm), [sizeOf(block) * x.shape[0]!, ...cut, ...rest]);
}

function batchToSpace(
  x: GraphNode,
  block: readonly number[],
  crops: readonly (readonly [number, number])[],
): GraphNode {
  const rank = block.length;
  const batch = x.shape[0]! / sizeOf(block);
  const cells = x.shape.slice(1, rank + 1);
  const rest = x.shape.slice(rank + 1);
  const split = reshape(x, [...block, batch, ...cells, ...rest]); // [b0, b1, ..., B, c0, c1, ...]
  const interleaved = block.flatMap((_, k) => [rank + 1 + k, k]);
  const perm = [rank, ...interleaved, ...rest.map((_, k) => 2 * rank + 1 + k)]; // [B, c0, b0, c1, b1, ...]
  const full = reshape(transpose(split, perm), [
    batch,
    ...cells.map((extent, k) => extent * block[k]!),
    ...rest,
  ]);
  const begin = [0, ...crops.map(([before]) => before), ...rest.map(() => 0)];
  const size = [batch, ...crops.map(([before, after], k) => full.shape[k + 1]! - before - after), ...rest];
  return slice(full, begin, size);
}

function depthToSpace(x: GraphNode, block: number, dataFormat: string): GraphNode {
  const last = dataFormat === "NHWC" ? x : transpose(x, [0, 2, 3, 1]);
  const [batch, height, width, depth] = last.shape as [number, number, number, number];
  const channels = depth / (block * block);
  const cells = reshape(last, [batch, height, width, block, block, channels]);
  const wide = reshape(transpose(cells, [0, 1, 3, 2, 4, 5]), [
    batch,
    height * block,
    width * block,
    channels,
  ]);
  return dataFormat === "NHWC" ? wide : transpose(wide, [0, 3, 1, 2]);
}

function diagonal(x: GraphNode): GraphNode {
  const size = sizeOf(x.shape);
  const row = reshape(range(0, size, 1, "int32"), [size, 1]);
  const hit = elementwise("Equal", [row, range(0, size, 1, "int32")], "bool"); // [n, n]
  const value = elementwise("Where", [hit, reshape(x, [1, size]), scalar(0, x.dtype)]);
  return reshape(value, [...x.shape, ...x.shape]);
}
