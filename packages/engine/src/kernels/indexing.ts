import {
  axisOf,
  broadcast,
  cast,
  elementwise,
  gather,
  range,
  reduce,
  reshape,
  transpose,
} from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import { node, scalar } from "../graph/recording.ts";
import { sizeOf } from "../host-data.ts";
import type { KernelTable } from "./kernel-rule.ts";

/** Kernels whose indices are data. */
export const indexingKernels: KernelTable = {
  GatherV2: ({ x, indices }, { axis, batchDims }) =>
    gatherBatched(x, indices, axisOf(axis, x.shape.length), batchDims ?? 0),
  GatherNd: ({ params, indices }) => {
    const depth = indices.shape.at(-1)!;
    const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
    return node("GatherNd", [params, cast(indices, "int32")], shape, params.dtype, {});
  },
  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }) => {
    const inner = x.shape.slice(segmentIds.shape.length);
    const rows = reshape(x, [sizeOf(segmentIds.shape), ...inner]);
    const ids = reshape(segmentIds, [sizeOf(segmentIds.shape)]);
    const shape = [numSegments, ...inner];
    if (sizeOf(x.shape) === 0) return broadcast(scalar(0, x.dtype), shape);
    return node("SegmentSum", [rows, cast(ids, "int32")], shape, x.dtype, {});
  },
  ScatterNd: ({ indices, updates }, { shape }) =>
    scatter(broadcast(scalar(0, updates.dtype), shape), indices, updates, true),
  TensorScatterUpdate: ({ tensor, indices, updates }) => scatter(tensor, indices, updates, false),
  SparseToDense: ({ sparseIndices, sparseValues, defaultValue }, { outputShape }) => {
    const rank = outputShape.length;
    const count = sparseIndices.shape.length === 0 ? 1 : sparseIndices.shape[0]!;
    const indices = reshape(sparseIndices, [count, rank]);
    return scatter(
      broadcast(reshape(defaultValue, []), outputShape),
      indices,
      broadcast(sparseValues, [count]),
      false,
    );
  },
  TopK: ({ x }, { k }) => {
    const shape = [...x.shape.slice(0, -1), k];
    return [node("TopKValues", [x], shape, x.dtype, { k }), node("TopKIndices", [x], shape, "int32", { k })];
  },
  SearchSorted: ({ sortedSequence, values }, { side }) => searchSorted(sortedSequence, values, side),
  Bincount: ({ x, weights }, { size }) => bincount(x, weights, size, false),
  DenseBincount: ({ x, weights }, { size, binaryOutput }) =>
    bincount(x, weights, size, binaryOutput ?? false),
};

/** Batch axes are folded into the gathered axis: element b of the batch reads rows `b * extent + index`. */
function gatherBatched(x: GraphNode, indices: GraphNode, axis: number, batchDims: number): GraphNode {
  if (batchDims === 0) return gather(x, indices, axis);
  const front = x.shape.slice(0, batchDims);
  const batch = sizeOf(front);
  const middle = x.shape.slice(batchDims, axis);
  const rest = x.shape.slice(axis + 1);
  const extent = x.shape[axis]!;
  const moved = transpose(x, [
    ...front.map((_, k) => k),
    axis,
    ...middle.map((_, k) => batchDims + k),
    ...rest.map((_, k) => axis + 1 + k),
  ]);
  const rows = reshape(moved, [batch * extent, ...middle, ...rest]); // [batch * extent, middle, rest]
  const inner = indices.shape.slice(batchDims);
  const starts = reshape(range(0, batch, extent, "int32"), [batch, 1]);
  const flat = elementwise("Add", [reshape(cast(indices, "int32"), [batch, sizeOf(inner)]), starts]); // [batch, inner]
  const found = reshape(gather(rows, flat, 0), [...front, ...inner, ...middle, ...rest]);
  const at = batchDims + inner.length;
  return transpose(found, [
    ...front.map((_, k) => k),
    ...middle.map((_, k) => at + k),
    ...inner.map((_, k) => batchDims + k),
    ...rest.map((_, k) => at + middle.length + k),
  ]);
}

function scatter(target: GraphNode, indices: GraphNode, updates: GraphNode, add: boolean): GraphNode {
  const depth = indices.shape.length > 1 ? indices.shape.at(-1)! : 1;
  const count = sizeOf(indices.shape) / Math.max(1, depth);
  if (count === 0 || sizeOf(updates.shape) === 0) return target;
  const rows = reshape(updates, [count, ...target.shape.slice(depth)]);
  const at = reshape(cast(indices, "int32"), [count, depth]);
  return node("ScatterNd", [target, at, rows], target.shape, target.dtype, { add });
}

/** How many elements of each sorted row lie before each value. */
function searchSorted(sorted: GraphNode, values: GraphNode, side: "left" | "right"): GraphNode {
  const rows = reshape(sorted, [sorted.shape[0]!, 1, sorted.shape[1]!]);
  const wanted = reshape(values, [...values.shape, 1]); // [B, V, 1]
  const before = elementwise(side === "left" ? "Less" : "LessOrEqual", [rows, wanted], "bool"); // [B, V, S]
  return reduce("ReduceSum", cast(before, "int32"), [2], false);
}

function bincount(x: GraphNode, weights: GraphNode, size: number, binary: boolean): GraphNode {
  const hit = elementwise(
    "Equal",
    [reshape(cast(x, "int32"), [...x.shape, 1]), range(0, size, 1, "int32")],
    "bool",
  );
  const axis = [x.shape.length - 1];
  if (binary) return cast(cast(reduce("ReduceMax", cast(hit, "int32"), axis, false), "bool"), "float32");
  const weight =
    sizeOf(weights.shape) === 0 ? scalar(1) : cast(reshape(weights, [...weights.shape, 1]), "float32");
  return reduce("ReduceSum", elementwise("Mul", [cast(hit, "float32"), weight]), axis, false);
}
