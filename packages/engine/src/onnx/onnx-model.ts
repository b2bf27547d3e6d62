import type { HostData } from "../engine-types.ts";
import { liveNodes, nodeName, type GraphNode } from "../graph/node.ts";
import type { Primitive } from "../graph/primitive.ts";
import { encode } from "../protobuf.ts";
import { normFusions } from "./fuse-norm.ts";
import { splitFusions } from "./fuse-slices.ts";
import type { Fusion } from "./fusion.ts";
import {
  emitNarrow,
  widened,
  type NarrowConstant,
  type NarrowContext,
  type NarrowPlace,
} from "./narrow-product.ts";
import { onnxRules, type OnnxRule } from "./onnx-lowering.ts";
import { createOnnxWriter, valueInfo, type ExternalData } from "./onnx-writer.ts";

/** A value that is part of a model: its elements, or their place in a file. */
export type Baked = { readonly data: HostData } | ExternalData | NarrowPlace;

/** What becomes a model. */
export interface OnnxRequest {
  readonly inputs: readonly GraphNode[];
  readonly outputs: readonly GraphNode[];
  /** Values of inputs that are baked into the model, by input index. */
  readonly baked: ReadonlyMap<number, Baked>;
  /** See `CompileOptions`. */
  readonly int8Products?: boolean;
}

/** An ONNX model: input i of the graph is `x<i>`, output i is `y<i>`. */
export interface OnnxModel {
  readonly bytes: Uint8Array;
  /** Indices of the inputs that must be fed: not baked, and used. */
  readonly fed: readonly number[];
  /** Number of primitive operations. */
  readonly operations: number;
}

/** What can be fused in a graph, by node. */
function findFusions(
  nodes: readonly GraphNode[],
  outputs: readonly GraphNode[],
): ReadonlyMap<GraphNode, Fusion> {
  const fusions = [...splitFusions(nodes), ...normFusions(nodes, outputs)];
  return new Map(fusions.flatMap((fusion) => fusion.nodes.map((node) => [node, fusion] as const)));
}

/** Emits the nodes that the outputs need. */
export function toOnnx({ inputs, outputs, baked, int8Products = false }: OnnxRequest): OnnxModel {
  const writer = createOnnxWriter();
  const names = new Map<GraphNode, string>();
  const live = liveNodes(outputs);
  const used = new Set(live);
  const fed: number[] = [];
  const narrow = new Map<GraphNode, NarrowConstant>();
  const inputInfos = inputs.flatMap((input, index) => {
    names.set(input, `x${index}`);
    if (!used.has(input)) return [];
    const fixed = baked.get(index);
    if (fixed && "codes" in fixed) {
      narrow.set(input, { name: `x${index}`, place: fixed });
      return [];
    }
    if (fixed)
      writer.initializer(`x${index}`, input.dtype, input.shape, "data" in fixed ? fixed.data : fixed);
    else fed.push(index);
    return fixed ? [] : [valueInfo(`x${index}`, input.dtype, input.shape)];
  });
  outputs.forEach((output, index) => {
    if (output.op !== "Input" && output.op !== "Const" && !names.has(output)) names.set(output, `y${index}`);
  });
  const nameOf = (node: GraphNode): string => {
    const constant = narrow.get(node);
    if (constant) return widened(writer, constant);
    const name = names.get(node) ?? nodeName(node);
    names.set(node, name);
    return name;
  };
  const fusions = findFusions(live, outputs);
  const context: NarrowContext = {
    writer,
    nameOf,
    int8Products,
    constantOf: (node) => node && narrow.get(node),
  };
  for (const node of live) {
    const fusion = fusions.get(node);
    if (node.op === "Input" || (fusion && fusion.place !== node)) continue;
    writer.label(nodeName(node));
    const rule = onnxRules[node.op] as OnnxRule<Primitive>;
    if (fusion) fusion.emit(writer, nameOf);
    else if (!emitNarrow(context, node)) rule(writer, node, node.inputs.map(nameOf), nameOf(node));
  }
  const outputInfos = outputs.map((output, index) => {
    const name = `y${index}`;
    if (names.get(output) !== name) writer.emit("Identity", [nameOf(output)], {}, name);
    return valueInfo(name, output.dtype, output.shape);
  });
  const operations = live.filter(({ op }) => op !== "Input" && op !== "Const").length;
  return { bytes: encode(writer.model(inputInfos, outputInfos)), fed, operations };
}
