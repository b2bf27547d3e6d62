import { hasOp, type GraphNode } from "../graph/node.ts";
import type { Primitive } from "../graph/primitive.ts";
import type { Fusion } from "./fusion.ts";

/** The other operand of a commutative operation. */
function otherOperand(node: GraphNode, operand: GraphNode): GraphNode | undefined {
  const [a, b] = node.inputs;
  return a === operand ? b : b === operand ? a : undefined;
}

function operandWith<P extends Primitive>(node: GraphNode, op: P): GraphNode<P> | undefined {
  return node.inputs.find((input): input is GraphNode<P> => hasOp(input, op));
}

/** `1 / sqrt(mean(x^2) + eps)` over the last axis of x. */
interface InverseRms {
  readonly x: GraphNode;
  readonly eps: number;
  /** From the square to the root. */
  readonly inner: readonly GraphNode[];
}

function inverseRms(node: GraphNode): InverseRms | undefined {
  const root = hasOp(node, "Reciprocal") ? operandWith(node, "Sqrt") : undefined;
  const sum = root && operandWith(root, "Add");
  const mean = sum && operandWith(sum, "ReduceMean");
  const square = mean && operandWith(mean, "Mul");
  if (!square || square.inputs[0] !== square.inputs[1]) return undefined;
  const x = square.inputs[0]!;
  const eps = otherOperand(sum, mean);
  const { axes, keepDims } = mean.attributes;
  const overLast = keepDims && x.shape.length > 1 && axes.join() === String(x.shape.length - 1);
  if (!overLast || eps?.op !== "Const" || eps.data!.length !== 1) return undefined;
  return { x, eps: eps.data![0]!, inner: [square, mean, sum, root] };
}

/**
 * `x / sqrt(mean(x^2) + eps) * weight` as one operator, which gives the factor `1 / sqrt(...)` too: gradients use it. RMSNorm,
 * https://arxiv.org/abs/1910.07467, equation 4.
 */
export function normFusions(nodes: readonly GraphNode[], outputs: readonly GraphNode[]): Fusion[] {
  const uses = new Map<GraphNode, GraphNode[]>(nodes.map((node) => [node, []]));
  for (const node of nodes) for (const input of node.inputs) uses.get(input)!.push(node);
  const results = new Set(outputs);
  const usedOnlyBy = (node: GraphNode, user: GraphNode): boolean =>
    !results.has(node) && uses.get(node)!.every((other) => other === user);

  const fuse = (inverse: GraphNode): Fusion | undefined => {
    const norm = inverseRms(inverse);
    if (!norm) return undefined;
    const { x, eps, inner } = norm;
    const chain = [...inner, inverse];
    if (!inner.every((node, k) => usedOnlyBy(node, chain[k + 1]!))) return undefined;
    const normal = uses.get(inverse)!.find((user) => hasOp(user, "Mul") && otherOperand(user, inverse) === x);
    const scaled = normal && uses.get(normal)![0];
    if (!scaled || !hasOp(scaled, "Mul") || !usedOnlyBy(normal, scaled)) return undefined;
    const weight = otherOperand(scaled, normal);
    const fits = weight?.shape.length === 1 && weight.shape[0] === x.shape.at(-1) && weight.id < inverse.id;
    if (!fits) return undefined;
    return {
      nodes: [...chain, normal, scaled],
      place: inverse,
      emit: (writer, nameOf) =>
        writer.emitMany(
          "SimplifiedLayerNormalization",
          [nameOf(x), nameOf(weight)],
          { axis: -1, epsilon: { float: eps } },
          [nameOf(scaled), nameOf(inverse)],
        ),
    };
  };
  return nodes.flatMap((node) => fuse(node) ?? []);
}
