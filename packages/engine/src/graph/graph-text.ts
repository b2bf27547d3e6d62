import { isAbsolute, relative } from "node:path";
import { userFrame } from "../record/call-site.ts";
import { liveNodes, type GraphNode, type RecordedGraph } from "./node.ts";

/** Constants up to this many elements are shown. */
const shownElements = 8;

/**
 * A recorded graph to read: name and signature, then a line for each operation with its operands, shape, attributes and the place that
 * recorded it (where places were kept), then the results.
 */
export function graphText(graph: RecordedGraph, name: string, signature: string): string {
  const nodes = liveNodes(graph.outputs);
  const rows = nodes.map((node) => [expression(node), typeText(node), placeText(node)] as const);
  const [left, middle] = [0, 1].map((column) =>
    Math.min(72, Math.max(0, ...rows.map((row) => row[column]!.length))),
  );
  const lines = rows.map(([text, type, place]) =>
    [text.padEnd(left!), type.padEnd(middle!), place].join("  ").trimEnd(),
  );
  const results = graph.outputs.map(
    (output, index) => `  ${index}  %${output.id}  ${typeText(output)}${updateText(graph, output)}`,
  );
  return [name, signature, "", ...lines, "", "results", ...results, ""].join("\n");
}

function expression(node: GraphNode): string {
  const operands = node.inputs.map(({ id }) => `%${id}`).join(", ");
  const attributes = Object.entries(node.attributes)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
    .join("");
  return `%${node.id} = ${node.op}(${node.op === "Const" ? elementsText(node) : operands})${attributes}`;
}

function elementsText({ data }: GraphNode): string {
  const elements = Array.from(data!.subarray(0, shownElements), (x) => String(Number(x.toPrecision(6))));
  return elements.join(", ") + (data!.length > shownElements ? `, ... ${data!.length} elements` : "");
}

function typeText({ dtype, shape }: GraphNode): string {
  return `${dtype}[${shape.join(",")}]`;
}

/** For example `attend (src/network/attention.ts:31:12)`, seen from the working directory. */
function placeText({ site }: GraphNode): string {
  if (!site) return "";
  return userFrame(site.stack).replace(/(?:file:\/\/)?(\/[^()]*)/, (path: string) => {
    const file = path.replace(/^file:\/\//, "");
    const near = relative(process.cwd(), file);
    return isAbsolute(file) && !near.startsWith("..") ? near : file;
  });
}

function updateText({ updates }: RecordedGraph, output: GraphNode): string {
  const update = updates.get(output);
  return update ? `  %${update.target.id} with rows %${update.rows.id} at %${update.starts.id}` : "";
}
