import type { GraphNode } from "../graph/node.ts";
import type { Primitive } from "../graph/primitive.ts";
import { broadcastSteps } from "./broadcast-steps.ts";
import { attribute, type GraphWriter } from "./graph-writer.ts";

/** Options of an emission. */
export interface Lowering {
  readonly writer: GraphWriter;
  readonly xla: boolean;
  readonly bfloat16: boolean;
}

/** Emits one primitive: `x` are the names of its operands, `out` the name that its result must get. */
export type TensorFlowRule<P extends Primitive> = (
  lowering: Lowering,
  node: GraphNode<P>,
  x: readonly string[],
  out: string,
) => void;

const { type } = attribute;
const index = type("int32");
const operandType = ({ inputs, dtype }: GraphNode): { T: ReturnType<typeof type> } => ({
  T: type(inputs[0]?.dtype ?? dtype),
});

const same =
  (op: string): TensorFlowRule<Primitive> =>
  ({ writer }, node, x, out) =>
    void writer.emit(op, out, x, operandType(node));

const logical =
  (op: string): TensorFlowRule<Primitive> =>
  ({ writer }, _, x, out) =>
    void writer.emit(op, out, x);

type Reductions = "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd";

const reduction =
  <P extends Reductions>(op: string): TensorFlowRule<P> =>
  ({ writer }, node, [x], out) => {
    const { axes, keepDims } = node.attributes;
    const attributes = { ...operandType(node), Tidx: index, keep_dims: attribute.bool(keepDims) };
    writer.emit(op, out, [x!, writer.int32(axes)], attributes);
  };

const argument =
  <P extends "ArgMax" | "ArgMin">(op: P): TensorFlowRule<P> =>
  ({ writer }, node, [x], out) =>
    void writer.emit(op, out, [x!, writer.int32([node.attributes.axis], [])], {
      ...operandType(node),
      Tidx: index,
      output_type: index,
    });

/** Primitive operation -> TensorFlow operations. */
export const tensorflowRules: { readonly [P in Primitive]: TensorFlowRule<P> } = {
  Input: () => undefined,
  Const: ({ writer }, { dtype, shape, data }, _, out) =>
    void writer.emit("Const", out, [], { dtype: type(dtype), value: attribute.tensor(dtype, shape, data!) }),
  Add: same("AddV2"),
  Sub: same("Sub"),
  Mul: same("Mul"),
  Div: same("RealDiv"),
  Pow: same("Pow"),
  Max: same("Maximum"),
  Min: same("Minimum"),
  FloorMod: same("FloorMod"),
  Neg: same("Neg"),
  Abs: same("Abs"),
  Sign: same("Sign"),
  Equal: same("Equal"),
  Less: same("Less"),
  LessOrEqual: same("LessEqual"),
  Greater: same("Greater"),
  GreaterOrEqual: same("GreaterEqual"),
  And: logical("LogicalAnd"),
  Or: logical("LogicalOr"),
  Not: logical("LogicalNot"),
  BitwiseAnd: same("BitwiseAnd"),
  Where: ({ writer }, { dtype }, x, out) => void writer.emit("SelectV2", out, x, { T: type(dtype) }),
  Exp: same("Exp"),
  Expm1: same("Expm1"),
  Log: same("Log"),
  Log1p: same("Log1p"),
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
  IsNan: same("IsNan"),
  IsInf: same("IsInf"),
  Cast: ({ writer }, node, x, out) =>
    void writer.emit("Cast", out, x, {
      SrcT: operandType(node).T,
      DstT: type(node.dtype),
      Truncate: attribute.bool(false),
    }),
  Reshape: ({ writer }, node, [x], out) =>
    void writer.emit("Reshape", out, [x!, writer.int32(node.shape)], { ...operandType(node), Tshape: index }),
  BroadcastTo: ({ writer }, node, [x], out) => {
    const shapes = broadcastSteps(node.inputs[0]!.shape, node.shape);
    const last = shapes.length - 1;
    shapes.reduce(
      (source, shape, i) =>
        writer.emit("BroadcastTo", i === last ? out : `${out}_${i}`, [source, writer.int32(shape)], {
          ...operandType(node),
          Tidx: index,
        }),
      x!,
    );
  },
  Transpose: ({ writer }, node, [x], out) =>
    void writer.emit("Transpose", out, [x!, writer.int32(node.attributes.perm)], {
      ...operandType(node),
      Tperm: index,
    }),
  Slice: ({ writer }, node, [x], out) => {
    const { begin, strides } = node.attributes;
    const attributes = { ...operandType(node), Index: index };
    if (strides.every((stride) => stride === 1)) {
      return void writer.emit("Slice", out, [x!, writer.int32(begin), writer.int32(node.shape)], attributes);
    }
    const end = begin.map((start, axis) => start + (node.shape[axis]! - 1) * strides[axis]! + 1);
    const range = [begin, end, strides].map((values) => writer.int32(values));
    writer.emit("StridedSlice", out, [x!, ...range], attributes);
  },
  Reverse: ({ writer }, node, [x], out) =>
    void writer.emit("ReverseV2", out, [x!, writer.int32(node.attributes.axes)], {
      ...operandType(node),
      Tidx: index,
    }),
  Concat: ({ writer }, node, x, out) =>
    void writer.emit("ConcatV2", out, [...x, writer.int32([node.attributes.axis], [])], {
      ...operandType(node),
      N: attribute.int(x.length),
      Tidx: index,
    }),
  Pad: ({ writer }, node, [x, value], out) => {
    const { paddings } = node.attributes;
    const amounts = writer.int32(paddings.flat(), [paddings.length, 2]);
    writer.emit("PadV2", out, [x!, amounts, value!], { ...operandType(node), Tpaddings: index });
  },
  Gather: ({ writer }, node, x, out) =>
    void writer.emit("GatherV2", out, [...x, writer.int32([node.attributes.axis], [])], {
      Tparams: operandType(node).T,
      Tindices: index,
      Taxis: index,
      batch_dims: attribute.int(0),
    }),
  GatherNd: ({ writer }, node, x, out) =>
    void writer.emit("GatherNd", out, x, { Tparams: operandType(node).T, Tindices: index }),
  SegmentSum: ({ writer }, node, x, out) =>
    void writer.emit("UnsortedSegmentSum", out, [...x, writer.int32([node.shape[0]!], [])], {
      ...operandType(node),
      Tindices: index,
      Tnumsegments: index,
    }),
  ScatterNd: ({ writer }, node, x, out) =>
    void writer.emit(node.attributes.add ? "TensorScatterAdd" : "TensorScatterUpdate", out, x, {
      ...operandType(node),
      Tindices: index,
    }),
  TopKValues: ({ writer }, node, [x], out) => {
    const top = topK(writer, node, x!, node.attributes.k, out);
    writer.emit("Identity", out, [top], operandType(node));
  },
  TopKIndices: ({ writer }, node, [x], out) => {
    const top = topK(writer, node, x!, node.attributes.k, out);
    writer.emit("Identity", out, [`${top}:1`], { T: index });
  },
  // This device computes on one processor.
  AllSum: same("Identity"),
  AllGather: same("Identity"),
  After: ({ writer, xla }, node, x, out) => {
    if (!xla) {
      const [value, ...earlier] = x;
      return void writer.emit(
        "Identity",
        out,
        [value!, ...earlier.map((name) => `^${name.replace(/:\d+$/, "")}`)],
        operandType(node),
      );
    }
    const types = attribute.types(node.inputs.map(({ dtype }) => dtype));
    writer.emit(
      "Identity",
      out,
      [writer.emit("XlaOptimizationBarrier", `${out}_barrier`, x, { T: types })],
      operandType(node),
    );
  },
  ReduceSum: reduction("Sum"),
  ReduceMean: reduction("Mean"),
  ReduceMax: reduction("Max"),
  ReduceMin: reduction("Min"),
  ReduceProd: reduction("Prod"),
  ArgMax: argument("ArgMax"),
  ArgMin: argument("ArgMin"),
  CumSum: ({ writer }, node, [x], out) => {
    const { axis, exclusive, reverse } = node.attributes;
    const attributes = {
      exclusive: attribute.bool(exclusive),
      reverse: attribute.bool(reverse),
      Tidx: index,
    };
    writer.emit("Cumsum", out, [x!, writer.int32([axis], [])], { ...operandType(node), ...attributes });
  },
  Softmax: same("Softmax"),
  MatMul: (lowering, node, x, out) => {
    if (!lowering.bfloat16) return matMul(lowering.writer, node, x, out, "float32");
    const { writer } = lowering;
    const half = x.map((name, k) => cast(writer, name, `${out}_half${k}`, "float32", "bfloat16"));
    matMul(writer, node, half, `${out}_half`, "bfloat16");
    cast(writer, `${out}_half`, out, "bfloat16", "float32");
  },
};

function cast(
  writer: GraphWriter,
  x: string,
  out: string,
  from: "float32" | "bfloat16",
  to: "float32" | "bfloat16",
): string {
  return writer.emit("Cast", out, [x], { SrcT: type(from), DstT: type(to), Truncate: attribute.bool(false) });
}

function matMul(
  writer: GraphWriter,
  node: GraphNode<"MatMul">,
  x: readonly string[],
  out: string,
  dtype: "float32" | "bfloat16",
): void {
  const [a, b] = [attribute.bool(node.attributes.transposeA), attribute.bool(node.attributes.transposeB)];
  const flat = node.inputs.every(({ shape }) => shape.length === 2);
  if (flat) writer.emit("MatMul", out, x, { T: type(dtype), transpose_a: a, transpose_b: b });
  else writer.emit("BatchMatMulV2", out, x, { T: type(dtype), adj_x: a, adj_y: b });
}

function topK(writer: GraphWriter, node: GraphNode, x: string, k: number, out: string): string {
  return writer.emit("TopKV2", `${out}_top`, [x, writer.int32([k], [])], {
    ...operandType(node),
    sorted: attribute.bool(true),
  });
}
