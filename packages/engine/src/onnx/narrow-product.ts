import { hasOp, type GraphNode } from "../graph/node.ts";
import { blockLength } from "../precision.ts";
import { contribDomain, type ExternalData, type OnnxWriter } from "./onnx-writer.ts";

/** Where a matrix in 8 or 4 bits lies. */
export interface NarrowPlace {
  readonly precision: "int8" | "int4";
  readonly shape: readonly [rows: number, columns: number];
  /** See `NarrowBlocks`. */
  readonly codes: ExternalData;
  readonly scales: ExternalData;
  /** The number that stands for zero, once for each block, packed as the codes are: the runtime wants it spelt out. */
  readonly zeros: ExternalData;
}

/** A matrix in 8 or 4 bits that is built into a model. */
export interface NarrowConstant {
  /** Prefix of the names of its parts. */
  readonly name: string;
  readonly place: NarrowPlace;
}

/** What lowering to narrow operators needs. */
export interface NarrowContext {
  readonly writer: OnnxWriter;
  readonly constantOf: (node: GraphNode | undefined) => NarrowConstant | undefined;
  readonly nameOf: (node: GraphNode) => string;
  /** See `CompileOptions`. */
  readonly int8Products: boolean;
}

/** Rows of a matrix that are widened at once: at most 128 MiB, at multiples of what keeps all its parts aligned. */
const rowStep = 8192;
const widenedElements = 2 ** 25;

/** Emits `node` with an operator that reads narrow storage; false if there is none, and its operands must be widened. */
export function emitNarrow(context: NarrowContext, node: GraphNode): boolean {
  const { constantOf, writer, nameOf } = context;
  if (hasOp(node, "Gather") && node.attributes.axis === 0) {
    const table = constantOf(node.inputs[0]);
    if (!table) return false;
    gatherRows(writer, table, nameOf(node.inputs[1] as GraphNode), nameOf(node));
    return true;
  }
  if (!hasOp(node, "MatMul") || node.attributes.transposeA) return false;
  const matrix = constantOf(node.inputs[1]);
  const rows = node.inputs[0] as GraphNode;
  if (!matrix || constantOf(rows)) return false;
  if (!node.attributes.transposeB) sumOfProducts(context, rows, matrix, nameOf(node));
  else if (context.int8Products) int8Product(writer, nameOf(rows), matrix, nameOf(node));
  else joinedProducts(context, rows, matrix, nameOf(node));
  return true;
}

/**
 * Emits the whole matrix, or rows of it, in float32. Made anew for each use, so that it never lives longer than one; and only after `use`,
 * the other operand, is there: the runtime would widen every matrix of a model first.
 */
export function widened(
  writer: OnnxWriter,
  { name, place }: NarrowConstant,
  [first, count]: readonly [number, number] = [0, place.shape[0]],
  use?: string,
): string {
  const { shape, precision, codes, scales, zeros } = place;
  const columns = shape[1];
  const blocks = Math.ceil(columns / blockLength);
  const type = precision === "int8" ? "uint8" : "uint4";
  const bits = { uint8: 8, uint4: 4, float32: 32 };
  const part = (
    label: string,
    type: keyof typeof bits,
    width: number,
    { location, offset }: ExternalData,
  ) => {
    const begin = (first * width * bits[type]) / 8; // whole: rows of parts begin at multiples of 8192
    const length = Math.ceil((count * width * bits[type]) / 8);
    const external = { location, offset: offset + begin, length };
    return writer.shared(`${name}_${label}_${first}_${count}`, type, [count, width], external);
  };
  const scale = part("scales", "float32", blocks, scales);
  const names = [
    part("codes", type, blocks * blockLength, codes),
    use === undefined ? scale : writer.emit("Add", [scale, zeroAfter(writer, use)]),
    part("zeros", type, blocks, zeros),
  ];
  const wide = writer.emit("DequantizeLinear", names, { axis: 1, block_size: blockLength });
  return columns % blockLength === 0 ? wide : firstColumns(writer, wide, columns);
}

/** Zero, once `x` is computed: the sum of none of its elements. */
function zeroAfter(writer: OnnxWriter, x: string): string {
  const flat = writer.emit("Reshape", [x, writer.int64([-1])]);
  const none = writer.emit("Slice", [flat, writer.int64([0]), writer.int64([0]), writer.int64([0])]);
  return writer.emit("ReduceSum", [none, writer.int64([0])], { keepdims: 0 });
}

function firstColumns(writer: OnnxWriter, x: string, columns: number, result?: string): string {
  return writer.emit(
    "Slice",
    [x, ...[[0], [columns], [-1]].map((values) => writer.int64(values))],
    {},
    result,
  );
}

function slabs({ shape: [rows, columns] }: NarrowPlace): (readonly [first: number, count: number])[] {
  if (rows * columns <= widenedElements) return [[0, rows]];
  const step = Math.max(1, Math.floor(widenedElements / columns / rowStep)) * rowStep;
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => [
    i * step,
    Math.min(step, rows - i * step),
  ]);
}

/** `x W^T`: columns of the result come from rows of W. */
function joinedProducts(
  { writer, nameOf }: NarrowContext,
  x: GraphNode,
  w: NarrowConstant,
  out: string,
): void {
  const parts = slabs(w.place);
  const attributes = { transA: 0, transB: 1, alpha: { float: 1 } };
  const products = parts.map((part) =>
    writer.emit(
      "FusedMatMul",
      [nameOf(x), widened(writer, w, part, nameOf(x))],
      attributes,
      parts.length === 1 ? out : undefined,
      contribDomain,
    ),
  );
  if (parts.length > 1) writer.emit("Concat", products, { axis: -1 }, out);
}

/** `y W`, as in the gradient of `x W^T` by x: a sum over rows of W. */
function sumOfProducts(
  { writer, nameOf }: NarrowContext,
  y: GraphNode,
  w: NarrowConstant,
  out: string,
): void {
  const parts = slabs(w.place);
  if (parts.length === 1)
    return void writer.emit("MatMul", [nameOf(y), widened(writer, w, undefined, nameOf(y))], {}, out);
  const products = parts.map(([first, count]) => {
    const bounds = [[first], [first + count], [-1]].map((values) => writer.int64(values));
    const columns = writer.emit("Slice", [nameOf(y), ...bounds]);
    return writer.emit("MatMul", [columns, widened(writer, w, [first, count], columns)]);
  });
  products.reduce((sum, product, i) =>
    writer.emit("Add", [sum, product], {}, i === products.length - 1 ? out : undefined),
  );
}

/** `x W^T` in whole numbers. https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits */
function int8Product(writer: OnnxWriter, x: string, { name, place }: NarrowConstant, out: string): void {
  const { precision, shape, codes, scales } = place;
  const [N, K] = shape;
  const bits = precision === "int8" ? 8 : 4;
  const blocks = Math.ceil(K / blockLength);
  const names = [
    writer.shared(`${name}_blocks`, "uint8", [N, blocks, (blockLength * bits) / 8], codes),
    writer.shared(`${name}_scales`, "float32", [N, blocks], scales),
  ];
  const attributes = { K, N, bits, block_size: blockLength, accuracy_level: 4 };
  writer.emit("MatMulNBits", [x, ...names], attributes, out, contribDomain);
}

function gatherRows(writer: OnnxWriter, { name, place }: NarrowConstant, ids: string, out: string): void {
  const { precision, shape, codes, scales } = place;
  const [rows, columns] = shape;
  const bits = precision === "int8" ? 8 : 4;
  const blocks = Math.ceil(columns / blockLength);
  const table = writer.shared(`${name}_rows`, "uint8", [rows, (blocks * blockLength * bits) / 8], codes);
  const scale = writer.shared(`${name}_scales`, "float32", [rows, blocks], scales);
  const attributes = { gather_axis: 0, quantize_axis: 1, block_size: blockLength, bits };
  const isWhole = columns % blockLength === 0;
  const picked = writer.emit(
    "GatherBlockQuantized",
    [table, ids, scale],
    attributes,
    isWhole ? out : undefined,
    contribDomain,
  );
  if (!isWhole) firstColumns(writer, picked, columns, out);
}
