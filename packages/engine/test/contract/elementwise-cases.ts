import * as tf from "@tensorflow/tfjs";
import { bool, check, float, floats, integer, integers, type ContractCase, type Operand } from "./case.ts";

type T = tf.Tensor;
const none = { gradient: false };

const shapePairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [3, 4],
    [3, 4],
  ],
  [[3, 4], [4]],
  [
    [3, 1],
    [1, 4],
  ],
  [
    [2, 1, 5],
    [3, 1],
  ],
  [[], [2, 3]],
  [[0, 4], [4]],
];

/** TensorFlow.js's own gradient of these does not sum over broadcast axes: only equal shapes are comparable. */
const equalShapes = (cases: readonly ContractCase[]): ContractCase[] =>
  cases.map((item) => ({
    ...item,
    gradient: String(item.operands[0]!.shape) === String(item.operands[1]!.shape),
  }));

function pairs(
  name: string,
  fn: (a: T, b: T) => T,
  make: (shape: readonly number[], side: number) => Operand,
  options = {},
): ContractCase[] {
  return shapePairs.map(([a, b]) =>
    check(`${name} of [${a.join()}] and [${b.join()}]`, fn, [make(a, 0), make(b, 1)], options),
  );
}

const signed = (shape: readonly number[]): Operand => float(shape);
const positive = (shape: readonly number[]): Operand => float(shape, 0.3, 3);
const whole = (shape: readonly number[]): Operand => integer(shape, 6, -5);
const counts = (shape: readonly number[]): Operand => integer(shape, 5, 1);

const binaryCases = [
  ...pairs("add", tf.add, signed),
  ...pairs("add int32", tf.add, whole),
  ...pairs("sub", tf.sub, signed),
  ...pairs("sub int32", tf.sub, whole),
  ...pairs("mul", tf.mul, signed),
  ...pairs("mul int32", tf.mul, whole),
  ...pairs("div", tf.div, positive),
  ...pairs("divNoNan", tf.divNoNan, positive, none),
  ...pairs("floorDiv", tf.floorDiv, (shape, side) => (side ? counts(shape) : whole(shape)), none),
  ...pairs("mod", tf.mod, (shape, side) => (side ? positive(shape) : signed(shape)), none),
  ...pairs("mod int32", tf.mod, (shape, side) => (side ? counts(shape) : whole(shape)), none),
  ...equalShapes(pairs("maximum", tf.maximum, signed)),
  ...pairs("maximum int32", tf.maximum, whole, none),
  ...equalShapes(pairs("minimum", tf.minimum, signed)),
  ...pairs("minimum int32", tf.minimum, whole, none),
  ...pairs("pow", tf.pow, (shape, side) => (side ? signed(shape) : positive(shape)), { tolerance: 1e-5 }),
  ...pairs("pow int32", tf.pow, counts, none),
  ...equalShapes(pairs("squaredDifference", tf.squaredDifference, signed)),
  ...pairs("atan2", tf.atan2, signed),
  ...pairs("equal", tf.equal, whole, none),
  ...pairs(
    "equal float32",
    tf.equal,
    (shape) => ({ ...whole(shape), dtype: "float32", data: Float32Array.from(whole(shape).data) }),
    none,
  ),
  ...pairs("equal bool", tf.equal, bool, none),
  ...pairs("notEqual", tf.notEqual, whole, none),
  ...pairs("less", tf.less, signed, none),
  ...pairs("less int32", tf.less, whole, none),
  ...pairs("lessEqual", tf.lessEqual, whole, none),
  ...pairs("greater", tf.greater, signed, none),
  ...pairs("greaterEqual", tf.greaterEqual, whole, none),
  ...pairs("logicalAnd", tf.logicalAnd, bool, none),
  ...pairs("logicalOr", tf.logicalOr, bool, none),
  ...pairs("logicalXor", tf.logicalXor, bool, none),
  ...pairs("bitwiseAnd", tf.bitwiseAnd, (shape) => integer(shape, 16)).filter(
    ({ operands: [a, b] }) => String(a!.shape) === String(b!.shape),
  ),
];

function unary(
  name: string,
  fn: (x: T) => T,
  make: (shape: readonly number[]) => Operand,
  options = {},
): ContractCase[] {
  return [[], [5], [2, 3, 4], [0, 3]].map((shape) =>
    check(`${name} of [${shape.join()}]`, fn, [make(shape)], options),
  );
}

const edges = floats(-3.5, -2.5, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2.5, 3.5);
const extremes = floats(-Infinity, Infinity, NaN, 0, 1);

const unaryCases = [
  ...unary("neg", tf.neg, signed),
  ...unary("neg int32", tf.neg, whole, none),
  ...unary("abs", tf.abs, signed),
  ...unary("abs int32", tf.abs, whole, none),
  ...unary("sign", tf.sign, signed),
  ...unary("exp", tf.exp, signed),
  ...unary("expm1", tf.expm1, signed),
  ...unary("log", tf.log, positive),
  ...unary("log1p", tf.log1p, positive),
  ...unary("sqrt", tf.sqrt, positive),
  ...unary("rsqrt", tf.rsqrt, positive, { tolerance: 1e-5 }),
  ...unary("square", tf.square, signed),
  ...unary("reciprocal", tf.reciprocal, positive, { tolerance: 1e-5 }),
  ...unary("floor", tf.floor, signed),
  ...unary("ceil", tf.ceil, signed),
  ...unary("round", tf.round, signed),
  ...unary("sin", tf.sin, signed),
  ...unary("cos", tf.cos, signed),
  ...unary("tan", tf.tan, (shape) => float(shape, -1, 1)),
  ...unary("asin", tf.asin, (shape) => float(shape, -0.9, 0.9)),
  ...unary("acos", tf.acos, (shape) => float(shape, -0.9, 0.9)),
  ...unary("atan", tf.atan, signed),
  ...unary("sinh", tf.sinh, signed),
  ...unary("cosh", tf.cosh, signed),
  ...unary("tanh", tf.tanh, signed),
  ...unary("asinh", tf.asinh, signed),
  ...unary("acosh", tf.acosh, (shape) => float(shape, 1.2, 3)),
  ...unary("atanh", tf.atanh, (shape) => float(shape, -0.9, 0.9)),
  ...unary("erf", tf.erf, signed),
  ...unary("sigmoid", tf.sigmoid, signed),
  ...unary("logSigmoid", tf.logSigmoid, signed),
  ...unary("softplus", tf.softplus, signed),
  ...unary("relu", tf.relu, signed),
  ...unary("relu6", tf.relu6, (shape) => float(shape, -2, 9)),
  ...unary("leakyRelu", (x) => tf.leakyRelu(x, 0.1), signed),
  ...unary("elu", tf.elu, signed),
  ...unary("selu", tf.selu, signed),
  ...unary("step", (x) => tf.step(x, 0.5), signed),
  ...unary("clipByValue", (x) => tf.clipByValue(x, -0.5, 0.7), signed),
  ...unary("logicalNot", tf.logicalNot, bool, none),
  check("prelu", tf.prelu as (x: T, alpha: T) => T, [float([3, 4]), float([4])]),
  check("round halves to even", tf.round, [edges], none),
  check("floor of edges", tf.floor, [edges], none),
  check("ceil of edges", tf.ceil, [edges], none),
  check("sign of edges", tf.sign, [edges], none),
  check("step of edges", (x: T) => tf.step(x), [edges], none),
  check(
    "expm1 of small numbers",
    (x: T) => tf.mul(tf.expm1(x), 1e8),
    [floats(1e-8, -1e-8, 1e-5, 3e-4, 0)],
    none,
  ),
  check(
    "log1p of small numbers",
    (x: T) => tf.mul(tf.log1p(x), 1e8),
    [floats(1e-8, -1e-8, 1e-5, 3e-4, 0)],
    none,
  ),
  check("expm1 of large numbers", tf.expm1, [floats(20, 80, -80)], none),
  check("log1p of large numbers", tf.log1p, [floats(1e10, 1e30, 16777216)], none),
  check("softplus of large numbers", tf.softplus, [floats(-90, 90, 30)], none),
  check("sigmoid of large numbers", tf.sigmoid, [floats(-90, 90, 0)], none),
  check("isNaN", tf.isNaN, [extremes], none),
  check("isInf", tf.isInf, [extremes], none),
  check("isFinite", tf.isFinite, [extremes], none),
  check("exp of int32", tf.exp, [integers(0, 1, 2)], none),
  check("square of int32", tf.square, [integers(-3, 2)], none),
  check("addN", (a: T, b: T, c: T) => tf.addN([a, b, c]), [float([2, 3]), float([2, 3]), float([2, 3])]),
  check("relu of int32", tf.relu, [integers(-3, 2)], none),
];

const selectionCases = [
  check("where", tf.where as (c: T, a: T, b: T) => T, [bool([3, 4]), float([3, 4]), float([3, 4])]),
  check("where int32", tf.where as (c: T, a: T, b: T) => T, [bool([3, 4]), integer([3, 4]), integer([3, 4])]),
  check("where bool", tf.where as (c: T, a: T, b: T) => T, [bool([3, 4]), bool([3, 4]), bool([3, 4])]),
  check("where broadcast", (c: T, a: T) => tf.where(c, a, 0), [bool([3, 1]), float([3, 4])]),
  check("cast to int32 truncates", (x: T) => tf.cast(x, "int32"), [edges], none),
  check("cast to bool", (x: T) => tf.cast(x, "bool"), [edges], none),
  check("cast int32 to bool", (x: T) => tf.cast(x, "bool"), [integers(0, 1, -2)], none),
  check("cast int32 to float32", (x: T) => tf.cast(x, "float32"), [integer([3, 4])]),
  check("cast bool to float32", (x: T) => tf.cast(x, "float32"), [bool([3, 4])]),
  check("cast bool to int32", (x: T) => tf.cast(x, "int32"), [bool([3, 4])]),
  check("mixed types", tf.add, [integer([3, 4]), float([3, 4])], none),
];

/** Arithmetic, comparison, selection and activation. */
export const elementwiseCases: readonly ContractCase[] = [...binaryCases, ...unaryCases, ...selectionCases];
