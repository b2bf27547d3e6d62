import * as tf from "@tensorflow/tfjs-core";
import { broadcast, concat, elementwise, matMul, pad, reshape, slice, transpose } from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import { scalar } from "../graph/recording.ts";
import { sizeOf } from "../host-data.ts";

/** How windows slide over the spatial axes of `[B, ...space, C]`. All arrays have one entry per spatial axis. */
export interface WindowPlan {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly filter: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
}

interface Info2D {
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  readonly padInfo: { readonly top: number; readonly left: number };
}

interface Info3D extends Info2D {
  readonly inDepth: number;
  readonly outDepth: number;
  readonly filterDepth: number;
  readonly strideDepth: number;
  readonly dilationDepth: number;
  readonly padInfo: { readonly front: number; readonly top: number; readonly left: number };
}

/** The plan of a two-dimensional convolution or pooling that TensorFlow.js worked out. */
export function plan2D(info: Info2D): WindowPlan {
  return {
    input: [info.inHeight, info.inWidth],
    output: [info.outHeight, info.outWidth],
    filter: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    before: [info.padInfo.top, info.padInfo.left],
  };
}

/** The plan of a three-dimensional convolution or pooling. */
export function plan3D(info: Info3D): WindowPlan {
  const flat = plan2D(info);
  return {
    input: [info.inDepth, ...flat.input],
    output: [info.outDepth, ...flat.output],
    filter: [info.filterDepth, ...flat.filter],
    strides: [info.strideDepth, ...flat.strides],
    dilations: [info.dilationDepth, ...flat.dilations],
    before: [info.padInfo.front, ...flat.before],
  };
}

/** The positions inside the window, row-major. */
export function taps({ filter }: WindowPlan): number[][] {
  return filter.reduce<number[][]>(
    (positions, extent) =>
      positions.flatMap((position) => Array.from({ length: extent }, (_, k) => [...position, k])),
    [[]],
  );
}

/** `x` with enough border that every tap of every window exists. */
export function padForWindows(x: GraphNode, plan: WindowPlan, value = 0): GraphNode {
  const borders = plan.input.map((extent, k) => {
    const reach = (plan.output[k]! - 1) * plan.strides[k]! + (plan.filter[k]! - 1) * plan.dilations[k]! + 1;
    return [plan.before[k]!, Math.max(0, reach - extent - plan.before[k]!)] as const;
  });
  return pad(x, [[0, 0], ...borders, [0, 0]], value);
}

/** What one tap sees in every window: `[B, ...output, C]`. */
export function tapView(padded: GraphNode, plan: WindowPlan, tap: readonly number[]): GraphNode {
  const begin = [0, ...tap.map((position, k) => position * plan.dilations[k]!), 0];
  return slice(
    padded,
    begin,
    [padded.shape[0]!, ...plan.output, padded.shape.at(-1)!],
    [1, ...plan.strides, 1],
  );
}

/** The transpose of `tapView`: puts `y` `[B, ...output, C]` back where the tap took it from, zeros elsewhere. */
export function tapBack(y: GraphNode, plan: WindowPlan, tap: readonly number[]): GraphNode {
  const rank = plan.filter.length;
  const spread = plan.strides.reduce(
    (value, stride, k) => (stride === 1 ? value : dilate(value, k + 1, stride)),
    y,
  );
  const borders = Array.from({ length: rank }, (_, k): readonly [number, number] => {
    const at = tap[k]! * plan.dilations[k]!;
    const full = Math.max(plan.before[k]! + plan.input[k]!, at + spread.shape[k + 1]!);
    return [at, full - at - spread.shape[k + 1]!];
  });
  const wide = pad(spread, [[0, 0], ...borders, [0, 0]]);
  return slice(wide, [0, ...plan.before, 0], [y.shape[0]!, ...plan.input, y.shape.at(-1)!]);
}

/** Puts `stride - 1` zeros between the elements of an axis. */
function dilate(x: GraphNode, axis: number, stride: number): GraphNode {
  const shape = [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)];
  const wide = pad(
    reshape(x, shape),
    shape.map((_, k): readonly [number, number] => [0, k === axis + 1 ? stride - 1 : 0]),
  );
  const joined = x.shape.map((extent, k) => (k === axis ? extent * stride : extent));
  const size = x.shape.map((extent, k) => (k === axis ? (extent - 1) * stride + 1 : extent));
  return slice(
    reshape(wide, joined),
    joined.map(() => 0),
    size,
  );
}

const add = (a: GraphNode, b: GraphNode): GraphNode => elementwise("Add", [a, b]);

/** Every window as a row: `[B * output, taps * C]`. */
function windowRows(x: GraphNode, plan: WindowPlan): GraphNode {
  const channels = x.shape.at(-1)!;
  const rows = x.shape[0]! * sizeOf(plan.output);
  const aligned = plan.filter.every((extent, k) => extent === plan.strides[k] && plan.dilations[k] === 1);
  if (aligned && plan.before.every((border) => border === 0)) return tiledRows(x, plan);
  const padded = padForWindows(x, plan);
  return concat(
    taps(plan).map((tap) => reshape(tapView(padded, plan, tap), [rows, channels])),
    1,
  );
}

/** Windows that do not overlap (patch embeddings) are a transpose. */
function tiledRows(x: GraphNode, plan: WindowPlan): GraphNode {
  const rank = plan.filter.length;
  const used = plan.output.map((extent, k) => extent * plan.filter[k]!);
  const cut = slice(
    x,
    x.shape.map(() => 0),
    [x.shape[0]!, ...used, x.shape.at(-1)!],
  );
  const split = reshape(cut, [
    x.shape[0]!,
    ...plan.output.flatMap((extent, k) => [extent, plan.filter[k]!]),
    x.shape.at(-1)!,
  ]);
  const cells = plan.output.map((_, k) => 1 + 2 * k);
  const inner = plan.output.map((_, k) => 2 + 2 * k);
  const together = transpose(split, [0, ...cells, ...inner, 1 + 2 * rank]); // [B, ...output, ...filter, C]
  return reshape(together, [x.shape[0]! * sizeOf(plan.output), sizeOf(plan.filter) * x.shape.at(-1)!]);
}

/** Convolution of `[B, ...space, C]` with `[...filter, C, D]` as one matrix product. */
export function convolve(x: GraphNode, filter: GraphNode, plan: WindowPlan): GraphNode {
  const depth = filter.shape.at(-1)!;
  const matrix = reshape(filter, [sizeOf(filter.shape) / depth, depth]); // [taps * C, D]
  return reshape(matMul(windowRows(x, plan), matrix), [x.shape[0]!, ...plan.output, depth]);
}

/** Gradient of `convolve` by its filter. */
export function convolveFilterGradient(x: GraphNode, dy: GraphNode, plan: WindowPlan): GraphNode {
  const depth = dy.shape.at(-1)!;
  const rows = reshape(dy, [sizeOf(dy.shape) / depth, depth]);
  return reshape(matMul(windowRows(x, plan), rows, true, false), [...plan.filter, x.shape.at(-1)!, depth]);
}

/** Gradient of `convolve` by its input. */
export function convolveInputGradient(dy: GraphNode, filter: GraphNode, plan: WindowPlan): GraphNode {
  const [channels, depth] = filter.shape.slice(-2) as [number, number];
  const rows = reshape(dy, [sizeOf(dy.shape) / depth, depth]);
  return taps(plan)
    .map((tap) => {
      const matrix = reshape(slice(filter, [...tap, 0, 0], [...tap.map(() => 1), channels, depth]), [
        channels,
        depth,
      ]);
      const part = reshape(matMul(rows, matrix, false, true), [dy.shape[0]!, ...plan.output, channels]);
      return tapBack(part, plan, tap);
    })
    .reduce(add);
}

/** How many elements of the input each window covers: `[1, ...output, 1]`. */
export function coverage(plan: WindowPlan): GraphNode {
  const ones = broadcast(scalar(1), [1, ...plan.input, 1]);
  const padded = padForWindows(ones, plan);
  return taps(plan)
    .map((tap) => tapView(padded, plan, tap))
    .reduce(add);
}

/** The permutation between channels first and channels last for a rank. */
export function channelsLast(rank: number): readonly number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, k) => k + 2), 1];
}

/** The inverse of `channelsLast`. */
export function channelsFirst(rank: number): readonly number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, k) => k + 1)];
}

/** TensorFlow.js's reading of `pad`, `strides` and `dilations`. */
export const convolutionInfo = {
  conv2D: tf.backend_util.computeConv2DInfo,
  conv3D: tf.backend_util.computeConv3DInfo,
  pool2D: tf.backend_util.computePool2DInfo,
  pool3D: tf.backend_util.computePool3DInfo,
  dilation2D: tf.backend_util.computeDilation2DInfo,
  dataFormat: tf.backend_util.convertConv2DDataFormat,
} as const;
