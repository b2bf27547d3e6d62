import { sizeOf } from "../host-data.ts";
import type { GraphNode } from "../graph/node.ts";
import type { Primitive } from "../graph/primitive.ts";
import { contribDomain, elementTypes, type OnnxWriter } from "./onnx-writer.ts";

/** Emits one primitive: `x` are the names of its operands, `out` the name that its result must get. */
export type OnnxRule<P extends Primitive> = (
  writer: OnnxWriter,
  node: GraphNode<P>,
  x: readonly string[],
  out: string,
) => void;

const same =
  (op: string): OnnxRule<Primitive> =>
  (writer, _, x, out) =>
    void writer.emit(op, x, {}, out);

type Reductions = "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd";

const reduction =
  <P extends Reductions>(op: P): OnnxRule<P> =>
  (writer, { attributes: { axes, keepDims } }, x, out) =>
    void writer.emit(op, [x[0]!, writer.int64(axes)], { keepdims: Number(keepDims) }, out);

const argument =
  <P extends "ArgMax" | "ArgMin">(op: P): OnnxRule<P> =>
  (writer, { attributes: { axis } }, x, out) =>
    void cast(writer, writer.emit(op, x, { axis, keepdims: 0 }), "int32", out);

function cast(writer: OnnxWriter, x: string, to: keyof typeof elementTypes, out?: string): string {
  return writer.emit("Cast", [x], { to: elementTypes[to] }, out);
}

function reshape(writer: OnnxWriter, x: string, shape: readonly number[], out?: string): string {
  return writer.emit("Reshape", [x, writer.int64(shape)], {}, out);
}

/** Primitive operation -> ONNX operators (opset 18). */
export const onnxRules: { readonly [P in Primitive]: OnnxRule<P> } = {
  Input: () => undefined,
  Const: (writer, { dtype, shape, data }, _, out) => void writer.initializer(out, dtype, shape, data!),
  Add: same("Add"),
  Sub: same("Sub"),
  Mul: same("Mul"),
  Div: same("Div"),
  Pow: same("Pow"),
  Max: same("Max"),
  Min: same("Min"),
  FloorMod: (writer, { dtype }, x, out) => {
    if (dtype === "int32") return void writer.emit("Mod", x, {}, out);
    const quotient = writer.emit("Floor", [writer.emit("Div", x)]);
    writer.emit("Sub", [x[0]!, writer.emit("Mul", [quotient, x[1]!])], {}, out);
  },
  Neg: same("Neg"),
  Abs: same("Abs"),
  Sign: same("Sign"),
  Equal: same("Equal"),
  Less: same("Less"),
  LessOrEqual: same("LessOrEqual"),
  Greater: same("Greater"),
  GreaterOrEqual: same("GreaterOrEqual"),
  And: same("And"),
  Or: same("Or"),
  Not: same("Not"),
  BitwiseAnd: same("BitwiseAnd"),
  Where: (writer, { dtype }, x, out) => {
    if (dtype !== "bool") return void writer.emit("Where", x, {}, out);
    const [condition, yes, no] = x as [string, string, string]; // ONNX Runtime has no Where of booleans
    cast(
      writer,
      writer.emit("Where", [condition, cast(writer, yes, "int32"), cast(writer, no, "int32")]),
      "bool",
      out,
    );
  },
  Exp: same("Exp"),
  Expm1: (writer, _, [x], out) => {
    // exp(x) - 1 = tanh(x / 2) (exp(x) + 1), exact where the difference would cancel; large x by the difference
    const exp = writer.emit("Exp", [x!]);
    const half = writer.emit("Tanh", [writer.emit("Mul", [x!, writer.float32(0.5)])]);
    const near = writer.emit("Mul", [half, writer.emit("Add", [exp, writer.float32(1)])]);
    const far = writer.emit("Sub", [exp, writer.float32(1)]);
    const small = writer.emit("Less", [writer.emit("Abs", [x!]), writer.float32(1)]);
    writer.emit("Where", [small, near, far], {}, out);
  },
  Log: same("Log"),
  Log1p: (writer, _, [x], out) => {
    // Goldberg 1991, "What every computer scientist should know about floating-point arithmetic", theorem 4
    const sum = writer.emit("Add", [x!, writer.float32(1)]);
    const change = writer.emit("Sub", [sum, writer.float32(1)]);
    const log = writer.emit("Log", [sum]);
    const tiny = writer.emit("Equal", [change, writer.float32(0)]);
    const finite = writer.emit("Where", [tiny, writer.float32(1), change]);
    const corrected = writer.emit("Mul", [log, writer.emit("Div", [x!, finite])]);
    const moderate = writer.emit("Less", [writer.emit("Abs", [x!]), writer.float32(1)]);
    writer.emit("Where", [tiny, x!, writer.emit("Where", [moderate, corrected, log])], {}, out);
  },
  Sqrt: same("Sqrt"),
  Reciprocal: same("Reciprocal"),
  Floor: same("Floor"),
  Ceil: same("Ceil"),
  Round: same("Round"),
  Sin: same("Sin"),
  Cos: same("Cos"),
  Tan: same("Tan"),
  Asin: same("Asin"),
  Acos: same("Acos"),
  Atan: same("Atan"),
  Sinh: same("Sinh"),
  Cosh: same("Cosh"),
  Tanh: same("Tanh"),
  Asinh: same("Asinh"),
  Acosh: same("Acosh"),
  Atanh: same("Atanh"),
  Erf: same("Erf"),
  Relu: same("Relu"),
  Sigmoid: same("Sigmoid"),
  Softplus: same("Softplus"),
  IsNan: same("IsNaN"),
  IsInf: same("IsInf"),
  Cast: (writer, { attributes: { to } }, [x], out) => void cast(writer, x!, to, out),
  Reshape: (writer, { shape }, [x], out) => void reshape(writer, x!, shape, out),
  BroadcastTo: (writer, { shape }, [x], out) =>
    void writer.emit("Expand", [x!, writer.int64(shape)], {}, out),
  Transpose: (writer, { attributes: { perm } }, x, out) => void writer.emit("Transpose", x, { perm }, out),
  Slice: (writer, { attributes: { begin, strides }, shape }, [x], out) => {
    const end = begin.map((start, axis) => start + (shape[axis]! - 1) * strides[axis]! + 1);
    const axes = begin.map((_, axis) => axis);
    writer.emit("Slice", [x!, ...[begin, end, axes, strides].map((values) => writer.int64(values))], {}, out);
  },
  Reverse: (writer, { attributes: { axes }, shape }, [x], out) => {
    const start = axes.map((axis) => shape[axis]! - 1);
    const stop = axes.map((axis) => -shape[axis]! - 1);
    const back = axes.map(() => -1);
    writer.emit("Slice", [x!, ...[start, stop, axes, back].map((values) => writer.int64(values))], {}, out);
  },
  Concat: (writer, { attributes: { axis } }, x, out) => void writer.emit("Concat", x, { axis }, out),
  Pad: (writer, { attributes: { paddings }, dtype }, [x, value], out) => {
    const amounts = writer.int64([
      ...paddings.map(([before]) => before),
      ...paddings.map(([, after]) => after),
    ]);
    if (dtype !== "bool") return void writer.emit("Pad", [x!, amounts, value!], { mode: "constant" }, out);
    const padded = writer.emit("Pad", [cast(writer, x!, "int32"), amounts, cast(writer, value!, "int32")], {
      mode: "constant",
    });
    cast(writer, padded, "bool", out);
  },
  Gather: (writer, { attributes: { axis } }, x, out) => void writer.emit("Gather", x, { axis }, out),
  GatherNd: (writer, _, [x, indices], out) =>
    void writer.emit("GatherND", [x!, cast(writer, indices!, "int64")], {}, out),
  SegmentSum: (writer, { shape, inputs, dtype }, [x, ids], out) => {
    // ScatterND(add) has a data race on duplicate indices when it runs on several threads (ONNX Runtime 1.30 CPU);
    // ScatterElements is serial. One row more than wanted catches negative ids, which are dropped.
    const rows = inputs[1]!.shape[0]!;
    const width = sizeOf(shape.slice(1));
    const trash = writer.emit("Where", [
      writer.emit("Less", [ids!, zero(writer, "int32")]),
      writer.int32(shape[0]!),
      ids!,
    ]);
    const column = writer.emit("Expand", [reshape(writer, trash, [rows, 1]), writer.int64([rows, width])]);
    const zeros = writer.emit("Expand", [zero(writer, dtype), writer.int64([shape[0]! + 1, width])]);
    const sum = writer.emit("ScatterElements", [zeros, column, reshape(writer, x!, [rows, width])], {
      axis: 0,
      reduction: "add",
    });
    const kept = writer.emit("Slice", [sum, writer.int64([0]), writer.int64([shape[0]!]), writer.int64([0])]);
    reshape(writer, kept, shape, out);
  },
  ScatterNd: (writer, { attributes: { add }, shape, inputs }, [target, indices, rows], out) => {
    if (!add)
      return void writer.emit("ScatterND", [target!, cast(writer, indices!, "int64"), rows!], {}, out);
    // As one serial ScatterElements over the flattened leading axes, for the same reason as SegmentSum.
    const [count, depth] = inputs[1]!.shape as [number, number];
    const width = sizeOf(shape.slice(depth));
    const leading = sizeOf(shape.slice(0, depth));
    const strides = Int32Array.from(shape.slice(0, depth), (_, k) => sizeOf(shape.slice(k + 1, depth)));
    const weights = writer.initializer(`${out}_strides`, "int32", [depth], strides);
    const flat = writer.emit("ReduceSum", [writer.emit("Mul", [indices!, weights]), writer.int64([1])], {
      keepdims: 1,
    });
    const column = writer.emit("Expand", [flat, writer.int64([count, width])]);
    const base = reshape(writer, target!, [leading, width]);
    const sum = writer.emit("ScatterElements", [base, column, reshape(writer, rows!, [count, width])], {
      axis: 0,
      reduction: "add",
    });
    reshape(writer, sum, shape, out);
  },
  TopKValues: (writer, { attributes: { k } }, [x], out) => void topK(writer, x!, k, out, `${out}_indices`),
  TopKIndices: (writer, { attributes: { k } }, [x], out) =>
    void cast(writer, topK(writer, x!, k, `${out}_values`, `${out}_64`), "int32", out),
  // This device has one processor.
  AllSum: (writer, _, [x], out) => void writer.emit("Identity", [x!], {}, out),
  AllGather: (writer, _, [x], out) => void writer.emit("Identity", [x!], {}, out),
  After: (writer, _, [x, ...earlier], out) => {
    // A sum over no elements of the earlier values is zero and can be computed only after them.
    const none = earlier.map((value) => {
      const flat = reshape(writer, value, [-1]);
      return writer.emit("Slice", [flat, writer.int64([0]), writer.int64([0]), writer.int64([0])]);
    });
    const joined = none.length === 1 ? none[0]! : writer.emit("Concat", none, { axis: 0 });
    writer.emit("Add", [x!, writer.emit("ReduceSum", [joined, writer.int64([0])], { keepdims: 0 })], {}, out);
  },
  ReduceSum: (writer, node, x, out) => {
    const { axes, keepDims } = node.attributes;
    const [rows] = node.inputs[0]!.shape;
    // The sum over the rows of a matrix is what gradients of weights and biases need; as a product it takes a fraction.
    const overRows = node.dtype === "float32" && node.inputs[0]!.shape.length === 2 && axes.join() === "0";
    if (!overRows) return reduction("ReduceSum")(writer, node, x, out);
    writer.emit("MatMul", [writer.ones(keepDims ? [1, rows!] : [rows!]), x[0]!], {}, out);
  },
  ReduceMean: reduction("ReduceMean"),
  ReduceMax: reduction("ReduceMax"),
  ReduceMin: reduction("ReduceMin"),
  ReduceProd: reduction("ReduceProd"),
  ArgMax: argument("ArgMax"),
  ArgMin: argument("ArgMin"),
  CumSum: (writer, { attributes: { axis, exclusive, reverse } }, [x], out) =>
    void writer.emit(
      "CumSum",
      [x!, writer.int64([axis], [])],
      { exclusive: Number(exclusive), reverse: Number(reverse) },
      out,
    ),
  Softmax: (writer, _, x, out) => void writer.emit("Softmax", x, { axis: -1 }, out),
  MatMul: (writer, { attributes: { transposeA, transposeB } }, x, out) => {
    if (!transposeA && !transposeB) return void writer.emit("MatMul", x, {}, out);
    const attributes = { transA: Number(transposeA), transB: Number(transposeB), alpha: { float: 1 } };
    writer.emit("FusedMatMul", x, attributes, out, contribDomain);
  },
};

function zero(writer: OnnxWriter, dtype: GraphNode["dtype"]): string {
  return dtype === "float32" ? writer.float32(0) : writer.int32(0);
}

function topK(writer: OnnxWriter, x: string, k: number, values: string, indices: string): string {
  writer.emitMany("TopK", [x, writer.int64([k])], { axis: -1, largest: 1, sorted: 1 }, [values, indices]);
  return indices;
}
