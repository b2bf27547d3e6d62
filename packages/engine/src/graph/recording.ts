import { VlmR1Error } from "@vlmr1/core";
import type { DType, HostData } from "../engine-types.ts";
import { allocate, sizeOf } from "../host-data.ts";
import type { GraphNode, Site, SliceUpdate } from "./node.ts";
import type { Primitive, PrimitiveAttributes } from "./primitive.ts";

/** State of one recording. Recording is synchronous, so at most one is active in a thread. */
export interface Recording {
  nextId: number;
  /** Hash-consing: equal operations on equal operands are one node, which is common subexpression elimination. */
  readonly known: Map<string, GraphNode>;
  /** Concrete tensors of other backends that the function captured, by `dataId`. */
  readonly captured: WeakMap<object, GraphNode>;
  readonly captureLimit: number;
  /** Processors that compute together. */
  readonly replicas: number;
  readonly updates: Map<GraphNode, SliceUpdate>;
  /** Differentiation variables of the gradients being recorded, innermost last. */
  readonly variables: (readonly GraphNode[])[];
  /** Whether nodes remember where they were recorded. Costs time: only for explaining an error. */
  readonly keepSites: boolean;
  site: Site | undefined;
}

let active: Recording | undefined;

/** Runs `body` with `recording` active. */
export function withRecording<T>(recording: Recording, body: () => T): T {
  const outer = active;
  active = recording;
  try {
    return body();
  } finally {
    active = outer;
  }
}

/** How to record. */
interface RecordingOptions {
  readonly captureLimit: number;
  readonly replicas?: number | undefined;
  readonly keepSites?: boolean | undefined;
}

/** A recording with nothing in it. */
export function newRecording({ captureLimit, replicas = 1, keepSites = false }: RecordingOptions): Recording {
  return {
    nextId: 0,
    known: new Map(),
    captured: new WeakMap(),
    captureLimit,
    replicas,
    updates: new Map(),
    variables: [],
    keepSites,
    site: undefined,
  };
}

/** The recording that is active now, or undefined outside recorded functions. */
export function activeRecording(): Recording | undefined {
  return active;
}

/** Processors that compute together in the recording that is active now. */
export function activeReplicas(): number {
  return active?.replicas ?? 1;
}

function required(): Recording {
  if (active) return active;
  throw new VlmR1Error(
    "invalid-argument",
    "A tensor of a recorded function was used after the recording ended. Return tensors as results; do not store them.",
  );
}

function attributeKey(attributes: object): string {
  let key = "";
  for (const value of Object.values(attributes)) key += `;${String(value)}`;
  return key;
}

/** Records an operation, or finds the equal one recorded before. A result without elements is a constant. */
export function node<P extends Primitive>(
  op: P,
  inputs: readonly GraphNode[],
  shape: readonly number[],
  dtype: DType,
  attributes: PrimitiveAttributes[P],
): GraphNode {
  if (op !== "Input" && sizeOf(shape) === 0) return constant(allocate(dtype, 0), shape);
  const recording = required();
  let key = `${op}|${dtype}|${shape.join()}|${attributeKey(attributes)}|`;
  for (const input of inputs) key += `${input.id},`;
  const known = recording.known.get(key);
  if (known) return known;
  const fresh: GraphNode = {
    id: recording.nextId++,
    owner: recording,
    op,
    inputs,
    shape,
    dtype,
    attributes,
    site: recording.site,
  };
  recording.known.set(key, fresh);
  return fresh;
}

/** Constants up to this many elements are shared when equal. */
const sharedConstantSize = 64;

/** Whether all elements are the same. Large tensors of ones are common in gradients: this loop must be plain. */
function isUniform(data: HostData): boolean {
  const first = data[0]!;
  for (let index = 1; index < data.length; index++) if (!Object.is(data[index], first)) return false;
  return true;
}

/** Records a constant. The data is copied. One value everywhere is recorded as the broadcast of a scalar. */
export function constant(data: HostData, shape: readonly number[]): GraphNode {
  const recording = required();
  const dtype = data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "bool";
  if (data.length > 1 && isUniform(data)) {
    return node("BroadcastTo", [constant(data.slice(0, 1), [])], shape, dtype, {});
  }
  const shared = data.length <= sharedConstantSize;
  const key = shared
    ? `Const|${dtype}|${shape.join()}|${Array.from(data, (x) => (Object.is(x, -0) ? "-0" : x)).join()}`
    : "";
  const known = shared ? recording.known.get(key) : undefined;
  if (known) return known;
  const fresh: GraphNode = {
    id: recording.nextId++,
    owner: recording,
    op: "Const",
    inputs: [],
    shape,
    dtype,
    attributes: {},
    data: data.slice(),
    site: recording.site,
  };
  if (shared) recording.known.set(key, fresh);
  return fresh;
}

/** A constant with one element. */
export function scalar(x: number, dtype: DType = "float32"): GraphNode {
  const data = allocate(dtype, 1);
  data[0] = x;
  return constant(data, []);
}
