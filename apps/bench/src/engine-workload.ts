import type { DeviceTensor, Engine, ShapeTree } from "@vlmr1/engine";
import { createRng, type Rng } from "@vlmr1/core";
import { layerShapes, type DecoderShape, type DecoderWeights, type Layer } from "./engine-decoder.ts";

/** Shapes of all weights of a decoder. */
export function weightShapes(shape: DecoderShape, ownHead: boolean): DecoderWeights<readonly number[]> {
  const layers = Array.from({ length: shape.layers }, () => layerShapes(shape));
  const tied = { embedding: [shape.vocabulary, shape.hidden], layers, norm: [shape.hidden] };
  return ownHead ? { ...tied, head: [shape.hidden, shape.vocabulary] } : tied;
}

/** Fills with numbers of about normal distribution around 0. */
export function fillRandom(data: Float32Array, deviation: number, rng: Rng): Float32Array {
  for (let index = 0; index < data.length; index++) {
    data[index] = (rng.uniform() + rng.uniform() + rng.uniform() - 1.5) * 2 * deviation;
  }
  return data;
}

/** Random weights in one flat buffer; norms are 1. */
export function randomWeights(
  engine: Engine,
  shapes: DecoderWeights<readonly number[]>,
  deviation: number,
  seed: number,
): { flat: DeviceTensor; views: DecoderWeights<DeviceTensor> } {
  const size = countElements(shapes as unknown as ShapeTree);
  const data = fillRandom(new Float32Array(size), deviation, createRng(seed));
  const packed = engine.pack(shapes as unknown as ShapeTree, data);
  const views = packed.views as unknown as DecoderWeights<DeviceTensor>;
  for (const norm of [views.norm, ...views.layers.flatMap((layer) => [layer.norm1, layer.norm2])]) {
    norm.write(new Float32Array(norm.size).fill(1));
  }
  return { flat: packed.flat, views };
}

/** Random weights stored in few bits, each tensor by itself; all repeat one row of noise, which is quick to make. */
export function storedWeights(
  engine: Engine,
  shapes: DecoderWeights<readonly number[]>,
  precision: "bfloat16",
): DecoderWeights<DeviceTensor> {
  const noise = fillRandom(new Float32Array(2 ** 20), 0.02, createRng(1));
  const make = (shape: readonly number[]): DeviceTensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    if (shape.length === 1) return engine.tensor(new Float32Array(size).fill(1), shape); // norms
    const data = new Float32Array(size);
    for (let at = 0; at < size; at += noise.length) data.set(noise.subarray(0, size - at), at);
    return engine.tensor(data, shape, precision);
  };
  const layers = shapes.layers.map(
    (layer) =>
      Object.fromEntries(
        Object.entries(layer).map(([name, shape]) => [name, make(shape)]),
      ) as Layer<DeviceTensor>,
  );
  return { embedding: make(shapes.embedding), layers, norm: make(shapes.norm) };
}

/** Bytes of the tensors of a tree. */
export function treeBytes(tree: object): number {
  if ("bytes" in tree && typeof tree.bytes === "number") return tree.bytes;
  return Object.values(tree).reduce<number>((sum, branch) => sum + treeBytes(branch as object), 0);
}

function countElements(tree: ShapeTree): number {
  if (Array.isArray(tree) && tree.every((extent) => typeof extent === "number"))
    return tree.reduce((a, b) => a * b, 1);
  return Object.values(tree).reduce<number>((sum, branch) => sum + countElements(branch as ShapeTree), 0);
}

/** Random token ids. */
export function randomIds(count: number, vocabulary: number, seed: number): Int32Array {
  const rng = createRng(seed);
  return Int32Array.from({ length: count }, () => Math.floor(rng.uniform() * vocabulary));
}

/** Milliseconds of each of `count` awaited calls, after `warmUp` others. */
export async function timeCalls(
  call: (index: number) => Promise<unknown>,
  count: number,
  warmUp: number,
): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < warmUp + count; index++) {
    const started = performance.now();
    await call(index);
    if (index >= warmUp) times.push(performance.now() - started);
  }
  return times;
}

/** Peak resident memory of this process in MB. */
export function peakMegabytes(): number {
  return process.resourceUsage().maxRSS / 1024;
}
