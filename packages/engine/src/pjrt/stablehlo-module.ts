import { outputParts, targetRows, type Layout, type RowPart } from "../device/layout.ts";
import { nodeName, type GraphNode, type RecordedGraph } from "../graph/node.ts";
import type { Primitive } from "../graph/primitive.ts";
import { sizeOf } from "../host-data.ts";
import { stablehloRules, type StableHloRule } from "./stablehlo-rules.ts";
import {
  concat,
  convert,
  dynamicUpdateSlice,
  elementBytes,
  elementOf,
  newBody,
  ownPart,
  reshape,
  slice,
  typeOf,
  typeText,
  type Body,
  type Element,
  type Value,
} from "./stablehlo-text.ts";

/** What a program takes: a whole row, or a part of a row that is read only. */
export interface Parameter {
  readonly row: number;
  /** Undefined: the whole row. */
  readonly part?: { readonly offset: number; readonly length: number };
}

/** The text of a program, what it takes and what it gives. */
export interface Module {
  readonly text: string;
  readonly parameters: readonly Parameter[];
  /** A result of the function, or the new content of a row. */
  readonly produced: readonly ({ readonly result: number } | { readonly row: number })[];
  /** The name of the node that a line of the text (from 1) belongs to. */
  nodeAt(line: number): string | undefined;
}

/** How a program is emitted. */
export interface ModuleOptions {
  readonly bfloat16: boolean;
  /** Bytes: parts of a row that begin at a multiple may be parameters of their own. 0: never. */
  readonly alignment: number;
  /** Processors that run the program together. */
  readonly replicas: number;
  /** Inputs of which each processor reads its part. */
  readonly split: ReadonlySet<number>;
  /** The element type in which a row is stored. */
  readonly elementOf: (row: number) => Element;
}

/** Operations that only move elements: they take stored bfloat16 as it is. The others see float32; products decide themselves. */
const movers: ReadonlySet<Primitive> = new Set([
  "Reshape",
  "Transpose",
  "BroadcastTo",
  "Slice",
  "Gather",
  "MatMul",
]);

/** Emits a recorded graph for one layout. Everything that crosses the border is a row `[n]`. */
export function toModule(graph: RecordedGraph, layout: Layout, options: ModuleOptions): Module {
  const body = newBody(options.bfloat16);
  const live = liveWithUpdates(graph);
  const signature = createSignature(layout, options);
  const values = new Map<GraphNode, Value>();
  const written = new Set(targetRows(layout));
  graph.inputs.forEach((input, index) => {
    if (!live.has(input)) return;
    body.label(nodeName(input));
    const place = layout.inputs[index]!;
    const length = sizeOf(input.shape);
    const isSplit = options.replicas > 1 && options.split.has(index);
    const elements = readRow(body, signature, place, isSplit ? length * options.replicas : length, written);
    values.set(input, reshape(body, isSplit ? ownPart(body, elements, length) : elements, input.shape));
  });
  for (const node of [...live].sort((a, b) => a.id - b.id)) {
    if (node.op === "Input") continue;
    body.label(nodeName(node));
    values.set(node, emitNode(body, graph, node, values));
  }
  body.label("results");
  const flat = graph.outputs.map((output) =>
    reshape(body, convert(body, values.get(output)!, elementOf[output.dtype]), [sizeOf(output.shape)]),
  );
  const produced: ({ result: number } | { row: number })[] = [];
  const results: Value[] = [];
  graph.outputs.forEach((_, result) => {
    if (layout.targets[result]) return;
    produced.push({ result });
    results.push(flat[result]!);
  });
  for (const row of written) {
    signature.alias(row, results.length);
    produced.push({ row });
    results.push(joinRow(body, signature.whole(row), outputParts(graph, layout, row), flat));
  }
  const head = [
    `module @vlmr1 attributes {mhlo.num_replicas = ${options.replicas} : i32, mhlo.num_partitions = 1 : i32} {`,
    `func.func public @main(${signature.declared()}) -> (${results.map(typeOf).join(", ")}) {`,
  ];
  const end = `return ${results.map(({ name }) => name).join(", ")} : ${results.map(typeOf).join(", ")}`;
  return {
    text: [...head, ...body.lines, end, "}", "}"].join("\n"),
    parameters: signature.parameters,
    produced,
    nodeAt: (line) => body.labels[line - 1 - head.length],
  };
}

interface Signature {
  readonly parameters: readonly Parameter[];
  whole(row: number): Value;
  /** A part of a row as a parameter of its own, where its place allows it. */
  part(place: RowPart, length: number): Value | undefined;
  rowLength(row: number): number;
  /** Result `result` takes over the memory of a whole row. */
  alias(row: number, result: number): void;
  declared(): string;
}

function createSignature({ rows }: Layout, options: ModuleOptions): Signature {
  const parameters: Parameter[] = [];
  const types: string[] = [];
  const known = new Map<string, Value>();
  const aliases = new Map<string, number>();
  const parameter = (key: string, wanted: Parameter, length: number): Value => {
    let value = known.get(key);
    if (!value) {
      const element = options.elementOf(wanted.row);
      value = { name: `%arg${parameters.length}`, shape: [length], element };
      parameters.push(wanted);
      types.push(typeText([length], element));
      known.set(key, value);
    }
    return value;
  };
  const whole = (row: number): Value => parameter(`${row}`, { row }, rows[row]!.length);
  return {
    parameters,
    whole,
    part({ row, offset }, length) {
      const bytes = elementBytes[options.elementOf(row)];
      const { alignment } = options;
      if (alignment === 0 || (offset * bytes) % alignment !== 0) return undefined;
      return parameter(`${row}+${offset}+${length}`, { row, part: { offset, length } }, length);
    },
    rowLength: (row) => rows[row]!.length,
    alias: (row, result) => void aliases.set(whole(row).name, result),
    declared: () =>
      types
        .map((type, k) => {
          const result = aliases.get(`%arg${k}`);
          return `%arg${k}: ${type}${result === undefined ? "" : ` {tf.aliasing_output = ${result} : i32}`}`;
        })
        .join(", "),
  };
}

/** `length` elements of a row. */
function readRow(
  body: Body,
  signature: Signature,
  place: RowPart,
  length: number,
  written: ReadonlySet<number>,
): Value {
  if (length === signature.rowLength(place.row)) return signature.whole(place.row);
  // A row that is written is read through the row itself: the compiler must see which memory it is.
  const part = written.has(place.row) ? undefined : signature.part(place, length);
  return part ?? slice(body, signature.whole(place.row), [place.offset], [length]);
}

function emitNode(
  body: Body,
  graph: RecordedGraph,
  node: GraphNode,
  values: ReadonlyMap<GraphNode, Value>,
): Value {
  const update = graph.updates.get(node);
  if (update) {
    const [target, rows, starts] = [update.target, update.rows, update.starts].map((x) => values.get(x)!);
    return dynamicUpdateSlice(body, target!, rows!, starts!);
  }
  const rule = stablehloRules[node.op] as StableHloRule<Primitive>;
  const operands = node.inputs.map((input) => {
    const value = values.get(input)!;
    return value.element === "bf16" && !movers.has(node.op) ? convert(body, value, "f32") : value;
  });
  return rule(body, node, operands);
}

/** The new content of a row: results where they go, the old content between them. */
function joinRow(
  body: Body,
  old: Value,
  parts: readonly { output: number; offset: number; size: number }[],
  flat: readonly Value[],
): Value {
  const pieces: Value[] = [];
  let at = 0;
  const keep = (until: number): void => {
    if (until > at) pieces.push(slice(body, old, [at], [until - at]));
  };
  for (const { output, offset, size } of parts) {
    keep(offset);
    pieces.push(convert(body, flat[output]!, old.element));
    at = offset + size;
  }
  keep(old.shape[0]!);
  return concat(body, pieces, 0);
}

/** The nodes that the outputs need when slice updates are operations of their own. */
function liveWithUpdates({ outputs, updates }: RecordedGraph): Set<GraphNode> {
  const live = new Set<GraphNode>();
  const pending = [...outputs];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (live.has(node)) continue;
    live.add(node);
    const update = updates.get(node);
    pending.push(...(update ? [update.target, update.rows, update.starts] : node.inputs));
  }
  return live;
}
