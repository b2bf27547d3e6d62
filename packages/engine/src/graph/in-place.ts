import { sameShape } from "./build.ts";
import type { GraphNode } from "./node.ts";
import { liveNodes } from "./node.ts";
import { isElementwise } from "./primitive.ts";

/** Answers whether an output may be written over an input. */
export type InPlaceProof = (input: GraphNode, output: GraphNode) => boolean;

/**
 * Proves that writing `output` into the memory of `input` changes no result: `output` is an elementwise operation that
 * reads `input` at most at the index it writes, and everything else that reads `input` is computed before it, because
 * `output` depends on it. A matrix product that feeds `output` directly counts as unproven: the runtime may fuse the two.
 */
export function inPlaceProof(outputs: readonly GraphNode[]): InPlaceProof {
  let readers: Map<GraphNode, GraphNode[]> | undefined;
  const ancestors = new Map<GraphNode, Set<GraphNode>>();
  const readersOf = (node: GraphNode): readonly GraphNode[] => {
    readers ??= indexReaders(outputs);
    return readers.get(node) ?? [];
  };
  const ancestorsOf = (node: GraphNode): Set<GraphNode> => {
    let known = ancestors.get(node);
    if (!known) ancestors.set(node, (known = new Set(liveNodes(node.inputs))));
    return known;
  };
  return (input, output) => {
    if (!isElementwise(output.op) || !sameShape(input.shape, output.shape) || input.dtype !== output.dtype)
      return false;
    if (outputs.includes(input)) return false;
    return readersOf(input).every((reader) => {
      if (reader === output) return true;
      const fusable = reader.op === "MatMul" && output.inputs.includes(reader);
      return !fusable && ancestorsOf(output).has(reader);
    });
  };
}

function indexReaders(outputs: readonly GraphNode[]): Map<GraphNode, GraphNode[]> {
  const readers = new Map<GraphNode, GraphNode[]>();
  for (const node of liveNodes(outputs)) {
    for (const input of node.inputs) {
      const list = readers.get(input);
      if (list) list.push(node);
      else readers.set(input, [node]);
    }
  }
  return readers;
}
