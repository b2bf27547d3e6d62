import type * as tf from "@tensorflow/tfjs-core";
import type { DeviceTensor, Engine } from "@vlmr1/engine";

/** A tensor in host memory, row-major. */
export interface HostTensor {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** Parameters by their canonical name, which is the name that transformers (4.52 and later) saves. */
export type Tensors = Readonly<Record<string, tf.Tensor>>;

/** One parameter of an architecture. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Number of weights of a parameter. */
export function sizeOf(spec: TensorSpec): number {
  return spec.shape.reduce((product, length) => product * length, 1);
}

/** Tensors of the engine by canonical parameter name. */
export type DeviceTensors = Readonly<Record<string, DeviceTensor>>;

/** The same tree with tensors of the engine at the leaves. */
type Uploaded<T> = T extends HostTensor
  ? DeviceTensor
  : T extends object
    ? { [K in keyof T]: Uploaded<T[K]> }
    : T;

function isHostTensor(tree: object): tree is HostTensor {
  return "data" in tree && ArrayBuffer.isView(tree.data);
}

function mapLeaves(tree: unknown, leaf: (tensor: HostTensor) => DeviceTensor): unknown {
  if (typeof tree !== "object" || tree === null) return tree;
  if (isHostTensor(tree)) return leaf(tree);
  if (Array.isArray(tree)) return tree.map((branch: unknown) => mapLeaves(branch, leaf));
  return Object.fromEntries(Object.entries(tree).map(([name, branch]) => [name, mapLeaves(branch, leaf)]));
}

/** Hands host tensors to the engine, runs `use`, and gives them up again. On `cpu` nothing is copied. */
export async function withUploaded<T, R>(
  engine: Engine,
  tree: T,
  use: (uploaded: Uploaded<T>) => Promise<R>,
): Promise<R> {
  const tensors: DeviceTensor[] = [];
  const uploaded = mapLeaves(tree, ({ data, shape }) => {
    const tensor = engine.tensor(data, shape);
    tensors.push(tensor);
    return tensor;
  }) as Uploaded<T>;
  try {
    return await use(uploaded);
  } finally {
    for (const tensor of tensors) tensor.dispose();
  }
}

/** Elements of a float32 tensor. On `cpu` this is the live memory. */
export async function readFloats(tensor: DeviceTensor): Promise<Float32Array> {
  return (await tensor.read()) as Float32Array;
}

/** Elements of an int32 tensor. On `cpu` this is the live memory. */
export async function readInts(tensor: DeviceTensor): Promise<Int32Array> {
  return (await tensor.read()) as Int32Array;
}

/** Disposes every tensor of a tree. */
export function disposeTree(tree: unknown): void {
  if (typeof tree !== "object" || tree === null) return;
  if ("dispose" in tree && typeof tree.dispose === "function") {
    (tree as DeviceTensor).dispose();
    return;
  }
  for (const branch of Object.values(tree)) disposeTree(branch);
}
