import { outputParts, targetRows, type Layout } from "../device/layout.ts";
import { liveNodes, nodeName, type GraphNode, type RecordedGraph } from "../graph/node.ts";
import type { Primitive } from "../graph/primitive.ts";
import { sizeOf } from "../host-data.ts";
import { attribute, createGraphWriter, type GraphWriter } from "./graph-writer.ts";
import { tensorflowRules, type TensorFlowRule } from "./tensorflow-lowering.ts";

/** A GraphDef with rows as inputs, and new rows as outputs. */
export interface FunctionGraph {
  readonly bytes: Uint8Array;
  /** Rows that must be passed, in the order of the placeholders `inputs`. */
  readonly usedRows: readonly number[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What each output of the function is: the value of a result, or the new content of a row. */
  readonly produced: readonly ({ readonly result: number } | { readonly row: number })[];
}

/** Options of an emission. */
export interface FunctionOptions {
  readonly xla: boolean;
  readonly bfloat16: boolean;
}

/** Emits a recorded graph for one layout. Everything that crosses the border is one row `[n]`. */
export function functionGraph(graph: RecordedGraph, layout: Layout, options: FunctionOptions): FunctionGraph {
  const writer = createGraphWriter();
  const live = liveNodes(graph.outputs);
  const used = usedRowsOf(graph, layout, new Set(live));
  const inputs = used.map((row) => {
    const { dtype, length } = layout.rows[row]!;
    return writer.emit("Placeholder", `row${row}`, [], {
      dtype: attribute.type(dtype),
      shape: attribute.shape([length]),
    });
  });
  const names = new Map<GraphNode, string>();
  graph.inputs.forEach((input, index) => {
    const { row, offset } = layout.inputs[index]!;
    if (used.includes(row)) names.set(input, cut(writer, layout, { row, offset }, input, `x${index}`));
  });
  for (const node of live) {
    if (node.op === "Input") continue;
    const name = nodeName(node);
    const rule = tensorflowRules[node.op] as TensorFlowRule<Primitive>;
    rule(
      { writer, ...options },
      node,
      node.inputs.map((input) => names.get(input)!),
      name,
    );
    names.set(node, name);
  }
  const flat = graph.outputs.map((output, index) =>
    writer.emit("Reshape", `flat${index}`, [names.get(output)!, writer.int32([sizeOf(output.shape)])], {
      T: attribute.type(output.dtype),
      Tshape: attribute.type("int32"),
    }),
  );
  const produced: ({ result: number } | { row: number })[] = [];
  const outputs: string[] = [];
  graph.outputs.forEach((_, result) => {
    if (layout.targets[result]) return;
    produced.push({ result });
    outputs.push(flat[result]!);
  });
  for (const row of targetRows(layout)) {
    produced.push({ row });
    outputs.push(joinRow(writer, graph, layout, row, flat));
  }
  return { bytes: writer.finish(), usedRows: used, inputs, outputs, produced };
}

function isFilled(graph: RecordedGraph, layout: Layout, row: number): boolean {
  let at = 0;
  for (const { offset, size } of outputParts(graph, layout, row)) {
    if (offset !== at) return false;
    at += size;
  }
  return at === layout.rows[row]!.length;
}

function usedRowsOf(graph: RecordedGraph, layout: Layout, live: ReadonlySet<GraphNode>): number[] {
  const read = layout.inputs.flatMap(({ row }, index) => (live.has(graph.inputs[index]!) ? [row] : []));
  const kept = targetRows(layout).filter((row) => !isFilled(graph, layout, row));
  return [...new Set([...read, ...kept])];
}

function cut(
  writer: GraphWriter,
  layout: Layout,
  { row, offset }: { row: number; offset: number },
  { shape, dtype }: GraphNode,
  name: string,
): string {
  const size = sizeOf(shape);
  const whole = layout.rows[row]!.length === size;
  const part = whole ? `row${row}` : slice(writer, `row${row}`, offset, size, dtype, `${name}_part`);
  return writer.emit("Reshape", name, [part, writer.int32(shape)], {
    T: attribute.type(dtype),
    Tshape: attribute.type("int32"),
  });
}

function slice(
  writer: GraphWriter,
  x: string,
  offset: number,
  size: number,
  dtype: GraphNode["dtype"],
  name: string,
): string {
  const attributes = { T: attribute.type(dtype), Index: attribute.type("int32") };
  return writer.emit("Slice", name, [x, writer.int32([offset]), writer.int32([size])], attributes);
}

/** The new content of a row: results where they go, the old content between them. */
function joinRow(
  writer: GraphWriter,
  graph: RecordedGraph,
  layout: Layout,
  row: number,
  flat: readonly string[],
): string {
  const { dtype, length } = layout.rows[row]!;
  const pieces: string[] = [];
  let at = 0;
  const keep = (until: number): void => {
    if (until > at) pieces.push(slice(writer, `row${row}`, at, until - at, dtype, `keep${row}_${at}`));
  };
  for (const { output, offset, size } of outputParts(graph, layout, row)) {
    keep(offset);
    pieces.push(flat[output]!);
    at = offset + size;
  }
  keep(length);
  if (pieces.length === 1) return pieces[0]!;
  return writer.emit("ConcatV2", `new${row}`, [...pieces, writer.int32([0], [])], {
    T: attribute.type(dtype),
    N: attribute.int(pieces.length),
    Tidx: attribute.type("int32"),
  });
}
