import type { DType } from "../engine-types.ts";
import type { Precision } from "../precision.ts";

type None = Readonly<Record<never, never>>;
interface Reduction {
  /** Sorted, non-negative. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}
interface Axis {
  readonly axis: number;
}

/** One input: same shape out. Two or three: numpy broadcasting. */
interface ElementwisePrimitives {
  // arithmetic, float32 and int32
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Pow: None;
  Max: None;
  Min: None;
  /** Remainder with the sign of the divisor. */
  FloorMod: None;
  Neg: None;
  Abs: None;
  Sign: None;
  // comparison, to bool
  Equal: None;
  Less: None;
  LessOrEqual: None;
  Greater: None;
  GreaterOrEqual: None;
  // bool
  And: None;
  Or: None;
  Not: None;
  /** `inputs[0] ? inputs[1] : inputs[2]`. */
  Where: None;
  // float32
  Exp: None;
  Expm1: None;
  Log: None;
  Log1p: None;
  Sqrt: None;
  Reciprocal: None;
  Floor: None;
  Ceil: None;
  /** Half to even. */
  Round: None;
  Sin: None;
  Cos: None;
  Tan: None;
  Asin: None;
  Acos: None;
  Atan: None;
  Sinh: None;
  Cosh: None;
  Tanh: None;
  Asinh: None;
  Acosh: None;
  Atanh: None;
  Erf: None;
  Relu: None;
  Sigmoid: None;
  Softplus: None;
  IsNan: None;
  IsInf: None;
  BitwiseAnd: None;
}

interface StructurePrimitives {
  /** An argument of the recorded function. */
  Input: { readonly index: number; readonly precision: Precision };
  /** `node.data`. */
  Const: None;
  Cast: { readonly to: DType };
  Reshape: None;
  BroadcastTo: None;
  Transpose: { readonly perm: readonly number[] };
  /** Every `strides[i]`-th element from `begin[i]`, `shape[i]` of them. */
  Slice: { readonly begin: readonly number[]; readonly strides: readonly number[] };
  Reverse: { readonly axes: readonly number[] };
  Concat: Axis;
  /** `inputs[1]` is the scalar that fills. */
  Pad: { readonly paddings: readonly (readonly [before: number, after: number])[] };
  /** `inputs[1]`: int32 indices of any shape, in range. */
  Gather: Axis;
  /** `inputs[1]`: int32 `[..., K]`, coordinates of the first K axes. */
  GatherNd: None;
  /** `out[inputs[1][i]] += inputs[0][i]` over rows; negative ids are dropped. */
  SegmentSum: None;
  /** `inputs[0]` with rows `inputs[2]` written at the coordinates `inputs[1]` (`[N, K]`), or added when `add`. */
  ScatterNd: { readonly add: boolean };
  /** The k largest of the last axis, sorted. */
  TopKValues: { readonly k: number };
  TopKIndices: { readonly k: number };
  /** `inputs[0]`, but not before the other inputs are computed: keeps recomputation late. */
  After: None;
  /** The sum of the operand over `replicas` processors. */
  AllSum: { readonly replicas: number };
  /** The operands of `replicas` processors one after another along the first axis. */
  AllGather: { readonly replicas: number };
}

interface ReductionPrimitives {
  ReduceSum: Reduction;
  ReduceMean: Reduction;
  ReduceMax: Reduction;
  ReduceMin: Reduction;
  ReduceProd: Reduction;
  /** Index of the first largest element, int32. */
  ArgMax: Axis;
  ArgMin: Axis;
  CumSum: Axis & { readonly exclusive: boolean; readonly reverse: boolean };
  /** Over the last axis. */
  Softmax: None;
  /** Batched, the operands read transposed in their last two axes if asked. */
  MatMul: { readonly transposeA: boolean; readonly transposeB: boolean };
}

/** Attributes of every primitive operation: what an emitter has to know. This is the contract between devices. */
export type PrimitiveAttributes = ElementwisePrimitives & StructurePrimitives & ReductionPrimitives;

/** Name of a primitive operation. */
export type Primitive = keyof PrimitiveAttributes;

/** Name of an elementwise primitive operation. */
export type ElementwisePrimitive = keyof ElementwisePrimitives;

const structural = [
  "Input",
  "Const",
  "Cast",
  "Reshape",
  "BroadcastTo",
  "Transpose",
  "Slice",
  "Reverse",
  "Concat",
  "Pad",
  "Gather",
  "GatherNd",
  "SegmentSum",
  "ScatterNd",
  "TopKValues",
  "TopKIndices",
  "After",
  "AllSum",
  "AllGather",
  "ReduceSum",
  "ReduceMean",
  "ReduceMax",
  "ReduceMin",
  "ReduceProd",
  "ArgMax",
  "ArgMin",
  "CumSum",
  "Softmax",
  "MatMul",
] as const satisfies readonly (keyof (StructurePrimitives & ReductionPrimitives))[];
const structuralNames: readonly string[] = structural;

/** Whether element i of the result depends on element i of the inputs only. */
export function isElementwise(op: Primitive): op is ElementwisePrimitive {
  return !structuralNames.includes(op);
}
