import type { GraphNode } from "../graph/node.ts";
import type { OnnxWriter } from "./onnx-writer.ts";

/** Several nodes that one operator of the runtime computes. */
export interface Fusion {
  /** All of them; those that `emit` gives no name to are nobody else's operands. */
  readonly nodes: readonly GraphNode[];
  /** The one in whose place the operator stands: every operand is ready there, and no result is needed earlier. */
  readonly place: GraphNode;
  emit(writer: OnnxWriter, nameOf: (node: GraphNode) => string): void;
}
