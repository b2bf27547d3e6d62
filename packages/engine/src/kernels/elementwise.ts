import { cast, elementwise, reshape } from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import type { ElementwisePrimitive } from "../graph/primitive.ts";
import { scalar } from "../graph/recording.ts";
import type { KernelAttributes, KernelRule, KernelTable, Operands } from "./kernel-rule.ts";

const float = (x: GraphNode): GraphNode => cast(x, "float32");
const add = (a: GraphNode, b: GraphNode): GraphNode => elementwise("Add", [a, b]);
const sub = (a: GraphNode, b: GraphNode): GraphNode => elementwise("Sub", [a, b]);
const mul = (a: GraphNode, b: GraphNode): GraphNode => elementwise("Mul", [a, b]);
const div = (a: GraphNode, b: GraphNode): GraphNode => elementwise("Div", [a, b]);
const not = (x: GraphNode): GraphNode => elementwise("Not", [x], "bool");
const where = (condition: GraphNode, yes: GraphNode, no: GraphNode): GraphNode =>
  elementwise("Where", [condition, yes, no]);
const compare = (op: ElementwisePrimitive, a: GraphNode, b: GraphNode): GraphNode =>
  elementwise(op, [a, b], "bool");

/** A kernel that is one primitive of float32 elements. */
const floatUnary =
  (op: ElementwisePrimitive): KernelRule =>
  ({ x }) =>
    elementwise(op, [float(x)]);
/** A kernel that is one primitive and keeps the type. */
const unary =
  (op: ElementwisePrimitive): KernelRule =>
  ({ x }) =>
    elementwise(op, [x.dtype === "bool" ? cast(x, "int32") : x]);
const binary =
  (op: ElementwisePrimitive): KernelRule =>
  ({ a, b }) =>
    elementwise(op, a.dtype === "bool" ? [cast(a, "int32"), cast(b, "int32")] : [a, b]);
const comparison =
  (op: ElementwisePrimitive): KernelRule =>
  ({ a, b }) =>
    a.dtype === "bool" && op !== "Equal"
      ? compare(op, cast(a, "int32"), cast(b, "int32"))
      : compare(op, a, b);
const logical =
  (op: ElementwisePrimitive): KernelRule =>
  ({ a, b }) =>
    compare(op, cast(a, "bool"), cast(b, "bool"));

/** Elementwise arithmetic. */
export const arithmeticKernels: KernelTable = {
  Add: binary("Add"),
  AddN: ({ list }) => list.reduce(add),
  Sub: binary("Sub"),
  Multiply: binary("Mul"),
  RealDiv: ({ a, b }) => div(float(a), float(b)),
  FloorDiv: ({ a, b }) => cast(elementwise("Floor", [div(float(a), float(b))]), a.dtype),
  Mod: ({ a, b }) => floorMod(a, b),
  Maximum: binary("Max"),
  Minimum: binary("Min"),
  Pow: binary("Pow"),
  SquaredDifference: ({ a, b }) => mul(sub(a, b), sub(a, b)),
  Atan2: ({ a, b }) => atan2(a, b),
  BitwiseAnd: ({ a, b }) => elementwise("BitwiseAnd", [a, b]),
  Neg: unary("Neg"),
  Abs: unary("Abs"),
  Sign: unary("Sign"),
  Square: ({ x }) => mul(x, x),
  Exp: floatUnary("Exp"),
  Expm1: floatUnary("Expm1"),
  Log: floatUnary("Log"),
  Log1p: floatUnary("Log1p"),
  Sqrt: floatUnary("Sqrt"),
  Rsqrt: ({ x }) => elementwise("Reciprocal", [elementwise("Sqrt", [float(x)])]),
  Reciprocal: floatUnary("Reciprocal"),
  Floor: floatUnary("Floor"),
  Ceil: floatUnary("Ceil"),
  Round: floatUnary("Round"),
  Erf: floatUnary("Erf"),
  Sin: floatUnary("Sin"),
  Cos: floatUnary("Cos"),
  Tan: floatUnary("Tan"),
  Asin: floatUnary("Asin"),
  Acos: floatUnary("Acos"),
  Atan: floatUnary("Atan"),
  Sinh: floatUnary("Sinh"),
  Cosh: floatUnary("Cosh"),
  Tanh: floatUnary("Tanh"),
  Asinh: floatUnary("Asinh"),
  Acosh: floatUnary("Acosh"),
  Atanh: floatUnary("Atanh"),
  ClipByValue: ({ x }, { clipValueMin, clipValueMax }) =>
    elementwise("Min", [
      elementwise("Max", [x, scalar(clipValueMin, x.dtype)]),
      scalar(clipValueMax, x.dtype),
    ]),
};

/** Comparisons, logic and selection. */
export const logicKernels: KernelTable = {
  Equal: comparison("Equal"),
  NotEqual: ({ a, b }) => not(compare("Equal", a, b)),
  Less: comparison("Less"),
  LessEqual: comparison("LessOrEqual"),
  Greater: comparison("Greater"),
  GreaterEqual: comparison("GreaterOrEqual"),
  LogicalAnd: logical("And"),
  LogicalOr: logical("Or"),
  LogicalNot: ({ x }) => not(cast(x, "bool")),
  IsNan: ({ x }) => elementwise("IsNan", [float(x)], "bool"),
  IsInf: ({ x }) => elementwise("IsInf", [float(x)], "bool"),
  IsFinite: ({ x }) =>
    not(compare("Or", elementwise("IsNan", [float(x)], "bool"), elementwise("IsInf", [float(x)], "bool"))),
  Select: ({ condition, t, e }) => where(cast(rowCondition(condition, t), "bool"), t, e),
};

/** Activations and their gradients. */
export const activationKernels: KernelTable = {
  Relu: unary("Relu"),
  Relu6: ({ x }) => elementwise("Min", [elementwise("Relu", [x]), scalar(6, x.dtype)]),
  Sigmoid: floatUnary("Sigmoid"),
  Softplus: floatUnary("Softplus"),
  LeakyRelu: ({ x }, { alpha }) => leakyRelu(x, scalar(alpha)),
  Prelu: ({ x, alpha }) => leakyRelu(x, alpha),
  Elu: ({ x }) => elu(x, 1, 1),
  EluGrad: ({ dy, y }) => where(compare("GreaterOrEqual", y, scalar(0)), dy, mul(dy, add(y, scalar(1)))),
  Selu: ({ x }) => elu(x, seluScale, seluScaleAlpha),
  Step: ({ x }, { alpha }) => step(x, alpha ?? 0),
};

// Klambauer et al. 2017, "Self-Normalizing Neural Networks", section 2.
const seluScale = 1.0507009873554805;
const seluScaleAlpha = 1.7580993408473768;

function floorMod(a: GraphNode, b: GraphNode): GraphNode {
  return elementwise("FloorMod", [a, b]);
}

function leakyRelu(x: GraphNode, alpha: GraphNode): GraphNode {
  return where(compare("Less", float(x), scalar(0)), mul(float(x), alpha), float(x));
}

function elu(x: GraphNode, positive: number, negative: number): GraphNode {
  const below = elementwise("Min", [x, scalar(0)]); // the branch not taken must not overflow
  return where(
    compare("GreaterOrEqual", x, scalar(0)),
    mul(x, scalar(positive)),
    mul(elementwise("Expm1", [below]), scalar(negative)),
  );
}

function step(x: GraphNode, alpha: number): GraphNode {
  const positive = compare("Greater", x, scalar(0, x.dtype));
  const value = alpha === 0 ? cast(positive, "float32") : where(positive, scalar(1), scalar(alpha));
  return x.dtype === "float32" ? where(elementwise("IsNan", [x], "bool"), x, value) : value;
}

/** Quadrants from the quotient; signs of zeros follow Math.atan2 except for -0. */
function atan2(y: GraphNode, x: GraphNode): GraphNode {
  const negative = (v: GraphNode): GraphNode => compare("Less", v, scalar(0));
  const xIsZero = compare("Equal", x, scalar(0));
  const base = elementwise("Atan", [div(y, where(xIsZero, scalar(1), x))]);
  const shift = where(negative(y), scalar(-Math.PI), scalar(Math.PI));
  const onAxis = mul(elementwise("Sign", [y]), scalar(Math.PI / 2));
  return where(xIsZero, onAxis, where(negative(x), add(base, shift), base));
}

/** TensorFlow.js lets a condition of rank 1 select whole rows. */
function rowCondition(condition: GraphNode, value: GraphNode): GraphNode {
  if (condition.shape.length !== 1 || value.shape.length <= 1) return condition;
  return reshape(condition, [condition.shape[0]!, ...Array<number>(value.shape.length - 1).fill(1)]);
}

/** An activation by the name that fused kernels carry. */
export function activate(
  x: GraphNode,
  name: string | undefined,
  operands: Operands,
  attributes: KernelAttributes,
): GraphNode {
  const kernel = { linear: "", relu: "Relu", relu6: "Relu6", elu: "Elu", sigmoid: "Sigmoid" }[
    name ?? "linear"
  ];
  if (kernel === "") return x;
  if (kernel !== undefined) return activationKernels[kernel]!({ ...operands, x }, attributes) as GraphNode;
  return leakyRelu(x, operands.preluActivationWeights ?? scalar(attributes["leakyreluAlpha"] ?? 0.2));
}
