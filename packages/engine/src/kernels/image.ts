import { cast, gather, matMul, reshape, transpose } from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import { constant } from "../graph/recording.ts";
import type { KernelAttributes, KernelTable } from "./kernel-rule.ts";

/** Resizing of `[B, H, W, C]`: linear in the pixels, so a product with one banded matrix per axis. */
export const imageKernels: KernelTable = {
  ResizeBilinear: ({ images }, attributes) => resample(cast(images, "float32"), attributes, bilinear),
  ResizeNearestNeighbor: ({ images }, attributes) => {
    const [height, width] = attributes["size"] as [number, number];
    const rows = nearestIndex(images.shape[1]!, height, attributes);
    const columns = nearestIndex(images.shape[2]!, width, attributes);
    const indexed = gather(images, constant(rows, [height]), 1);
    return gather(indexed, constant(columns, [width]), 2);
  },
  ResizeBilinearGrad: ({ images, dy }, attributes) => resampleBack(dy, images, attributes, bilinear),
  ResizeNearestNeighborGrad: ({ images, dy }, attributes) => resampleBack(dy, images, attributes, nearest),
};

type Weights = (from: number, to: number, attributes: KernelAttributes) => Float32Array;

function position(
  index: number,
  from: number,
  to: number,
  { alignCorners, halfPixelCenters }: KernelAttributes,
): number {
  const ratio = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return halfPixelCenters ? ratio * (index + 0.5) - 0.5 : ratio * index;
}

/** Rows of weights `[to, from]` of bilinear interpolation along one axis. */
function bilinear(from: number, to: number, attributes: KernelAttributes): Float32Array {
  const weights = new Float32Array(to * from);
  for (let index = 0; index < to; index++) {
    const at = position(index, from, to, attributes);
    const floor = Math.max(0, Math.floor(at));
    const ceil = Math.min(from - 1, Math.ceil(at));
    weights[index * from + floor]! += 1 - (at - floor);
    weights[index * from + ceil]! += at - floor;
  }
  return weights;
}

function nearestIndex(from: number, to: number, attributes: KernelAttributes): Int32Array {
  const { alignCorners, halfPixelCenters } = attributes;
  return Int32Array.from({ length: to }, (_, index) => {
    const at = position(index, from, to, attributes) + (halfPixelCenters ? 0.5 : 0);
    return Math.max(0, Math.min(from - 1, alignCorners ? Math.round(at) : Math.floor(at)));
  });
}

function nearest(from: number, to: number, attributes: KernelAttributes): Float32Array {
  const weights = new Float32Array(to * from);
  nearestIndex(from, to, attributes).forEach((source, index) => (weights[index * from + source] = 1));
  return weights;
}

function resample(x: GraphNode, attributes: KernelAttributes, weights: Weights): GraphNode {
  const [height, width] = attributes["size"] as [number, number];
  const [, oldHeight, oldWidth] = x.shape as [number, number, number, number];
  const rows = constant(weights(oldHeight, height, attributes), [height, oldHeight]);
  const columns = constant(weights(oldWidth, width, attributes), [width, oldWidth]);
  return productOfAxes(x, rows, columns, false);
}

function resampleBack(
  dy: GraphNode,
  images: GraphNode,
  attributes: KernelAttributes,
  weights: Weights,
): GraphNode {
  const [, height, width] = dy.shape as [number, number, number, number];
  const [, oldHeight, oldWidth] = images.shape as [number, number, number, number];
  const rows = constant(weights(oldHeight, height, attributes), [height, oldHeight]);
  const columns = constant(weights(oldWidth, width, attributes), [width, oldWidth]);
  return productOfAxes(dy, rows, columns, true);
}

/** Applies one matrix to the rows and one to the columns of `[B, H, W, C]`. */
function productOfAxes(x: GraphNode, rows: GraphNode, columns: GraphNode, back: boolean): GraphNode {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const tall = matMul(rows, reshape(x, [batch, height, width * channels]), back); // [B, H', W * C]
  const newHeight = tall.shape[1]!;
  const turned = transpose(reshape(tall, [batch, newHeight, width, channels]), [0, 2, 1, 3]); // [B, W, H', C]
  const wide = matMul(columns, reshape(turned, [batch, width, newHeight * channels]), back); // [B, W', H' * C]
  return transpose(reshape(wide, [batch, wide.shape[1]!, newHeight, channels]), [0, 2, 1, 3]); // [B, H', W', C]
}
