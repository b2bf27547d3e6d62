import type { DType, HostData } from "../engine-types.ts";
import { sizeOf } from "../host-data.ts";
import type { Precision } from "../precision.ts";
import type { Primitive, PrimitiveAttributes } from "./primitive.ts";

/** One value of a recorded graph: the result of one primitive operation. While recording it is a tensor's `dataId`. */
export interface GraphNode<P extends Primitive = Primitive> {
  /** Position in recording order, which is a topological order. */
  readonly id: number;
  /** The recording that it belongs to. */
  readonly owner: object;
  readonly op: P;
  readonly inputs: readonly GraphNode[];
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly attributes: PrimitiveAttributes[P];
  /** Elements of a `Const`. */
  readonly data?: HostData | undefined;
  /** Where the operation was recorded; its stack is formatted only when somebody reads it. */
  readonly site?: Site | undefined;
}

/** A place in the user's program. */
export interface Site {
  /** TensorFlow.js kernel, for example `BatchMatMul`. */
  readonly kernel: string;
  readonly stack: string;
}

/** Type and shape of an argument. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** How it is stored; default `float32`. */
  readonly precision?: Precision;
}

/** `updateSlice(target, rows, starts)` whose composite form is a node of the graph. */
export interface SliceUpdate {
  readonly target: GraphNode;
  readonly rows: GraphNode;
  /** int32 `[rank]`. */
  readonly starts: GraphNode;
}

/** A recorded function: what every device compiles. */
export interface RecordedGraph {
  readonly inputs: readonly GraphNode[];
  readonly outputs: readonly GraphNode[];
  /** Outputs that are slice updates, so that a device may write only the new rows. */
  readonly updates: ReadonlyMap<GraphNode, SliceUpdate>;
}

/** Whether a TensorFlow.js `dataId` is a node of a recorded graph. */
export function isGraphNode(value: object): value is GraphNode {
  return "op" in value && "inputs" in value && "attributes" in value;
}

/** Whether `node` is a constant with the one value `x`. */
export function isScalarConstant(node: GraphNode | undefined, x: number): boolean {
  return node?.op === "Const" && node.data?.length === 1 && node.data[0] === x;
}

/** Whether `node` has op `op`, narrowing its attributes. */
export function hasOp<P extends Primitive>(node: GraphNode, op: P): node is GraphNode<P> {
  return node.op === op;
}

/** Whether `node` is an argument that is stored in fewer bits than float32. */
export function isNarrow(node: GraphNode): node is GraphNode<"Input"> {
  return hasOp(node, "Input") && node.attributes.precision !== "float32";
}

/** The nodes that `outputs` need, in recording order, inputs and constants included. */
export function liveNodes(outputs: readonly GraphNode[]): GraphNode[] {
  const live = new Set<GraphNode>();
  const pending = [...outputs];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (live.has(node)) continue;
    live.add(node);
    pending.push(...node.inputs);
  }
  return [...live].sort((a, b) => a.id - b.id);
}

/** The name of a node in a program; errors of the runtime mention it. */
export function nodeName(node: GraphNode): string {
  return `${node.op}_${node.id}`;
}

/** Bytes of a node's value. */
export function nodeBytes(node: GraphNode): number {
  return sizeOf(node.shape) * (node.dtype === "bool" ? 1 : 4);
}
