import { liveNodes, nodeBytes, type GraphNode } from "./node.ts";

/** Bytes of intermediate results alive at once when nodes run in recording order and die after their last reader. */
export function workBytes(outputs: readonly GraphNode[]): number {
  const live = liveNodes(outputs);
  const lastReader = new Map<GraphNode, GraphNode>();
  for (const node of live) for (const input of node.inputs) lastReader.set(input, node);
  const dying = new Map<GraphNode, number>();
  const kept = new Set(outputs);
  for (const [node, reader] of lastReader) {
    if (node.op !== "Input" && node.op !== "Const" && !kept.has(node)) {
      dying.set(reader, (dying.get(reader) ?? 0) + nodeBytes(node));
    }
  }
  let now = 0;
  let peak = 0;
  for (const node of live) {
    if (node.op === "Input" || node.op === "Const") continue;
    now += nodeBytes(node);
    peak = Math.max(peak, now);
    now -= dying.get(node) ?? 0;
  }
  return peak;
}
