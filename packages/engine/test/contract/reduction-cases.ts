import * as tf from "@tensorflow/tfjs";
import { bool, check, float, integer, type ContractCase, type Operand } from "./case.ts";

type T = tf.Tensor;
const none = { gradient: false };

type Reduce = (x: T, axis?: number | number[], keepDims?: boolean) => T;

function axes(
  name: string,
  reduce: Reduce,
  make: (shape: readonly number[]) => Operand,
  options = {},
): ContractCase[] {
  const all: readonly (readonly [string, readonly number[], number | number[] | undefined, boolean])[] = [
    ["everything", [2, 3, 4], undefined, false],
    ["axis 0", [3, 4], 0, false],
    ["axis -1, kept", [2, 3, 4], -1, true],
    ["axes 0 and 2", [2, 3, 4], [0, 2], false],
    ["axes -1 and 0, kept", [2, 3, 4], [-1, 0], true],
    ["a unit axis", [3, 1], 1, false],
    ["a scalar", [], undefined, false],
  ];
  return all.map(([which, shape, axis, keep]) =>
    check(`${name} over ${which}`, (x: T) => reduce(x, axis, keep), [make(shape)], options),
  );
}

const reductions = [
  ...axes("sum", tf.sum, float),
  ...axes("sum int32", tf.sum, (shape) => integer(shape, 9, -9), none),
  ...axes("sum bool", tf.sum, bool, none),
  ...axes("mean", tf.mean, float),
  ...axes("mean int32", tf.mean, (shape) => integer(shape, 9, -9), none),
  ...axes("max", tf.max, float),
  ...axes("max int32", tf.max, (shape) => integer(shape, 9, -9), none),
  ...axes("min", tf.min, float),
  ...axes("prod", tf.prod, (shape) => float(shape, 0.5, 1.5), { tolerance: 1e-5, gradient: false }),
  ...axes("any", tf.any, bool, none),
  ...axes("all", tf.all, bool, none),
  ...axes("logSumExp", tf.logSumExp, float),
  check("prod gradient", (x: T) => tf.prod(x, 1), [float([3, 4], 0.5, 1.5)], { tolerance: 1e-5 }),
  check("sum of nothing", (x: T) => tf.sum(x, 0), [float([0, 3])], none),
  check("mean over a part of nothing", (x: T) => tf.sum(x, 1), [float([2, 0])], none),
  check("prod of nothing", (x: T) => tf.prod(x), [float([0])], none),
  check("argMax", (x: T) => tf.argMax(x, 1), [float([3, 4])], none),
  check("argMax of int32 with ties", (x: T) => tf.argMax(x, 0), [integer([6, 4], 2)], none),
  check("argMin", (x: T) => tf.argMin(x, -1), [float([3, 4])], none),
  check("argMin with ties", (x: T) => tf.argMin(x, 0), [integer([6, 4], 2)], none),
  check("cumsum", (x: T) => tf.cumsum(x, 1), [float([3, 4])]),
  check("cumsum exclusive", (x: T) => tf.cumsum(x, 1, true), [integer([3, 4])], none),
  check("cumsum reverse", (x: T) => tf.cumsum(x, 1, false, true), [float([3, 4])]),
  check("cumsum exclusive reverse over axis 0", (x: T) => tf.cumsum(x, 0, true, true), [float([3, 4])], none),
  check("cumprod", (x: T) => tf.cumprod(x, 1), [float([3, 4])], none),
  check("cumprod exclusive reverse", (x: T) => tf.cumprod(x, 1, true, true), [float([3, 4])], none),
];

const products = [
  check("matMul", tf.matMul as (a: T, b: T) => T, [float([3, 4]), float([4, 5])]),
  check("matMul transposed left", (a: T, b: T) => tf.matMul(a, b, true), [float([4, 3]), float([4, 5])]),
  check("matMul transposed right", (a: T, b: T) => tf.matMul(a, b, false, true), [
    float([3, 4]),
    float([5, 4]),
  ]),
  check("matMul transposed both", (a: T, b: T) => tf.matMul(a, b, true, true), [
    float([4, 3]),
    float([5, 4]),
  ]),
  check("matMul batched", tf.matMul as (a: T, b: T) => T, [float([2, 3, 4]), float([2, 4, 5])]),
  check("matMul of rank 4", (a: T, b: T) => tf.matMul(a, b, false, true), [
    float([2, 3, 4, 5]),
    float([2, 3, 2, 5]),
  ]),
  check("matMul broadcast", tf.matMul as (a: T, b: T) => T, [float([2, 3, 4, 5]), float([5, 6])], none),
  check("matMul of nothing", tf.matMul as (a: T, b: T) => T, [float([3, 0]), float([0, 5])], none),
  check("dot", tf.dot as (a: T, b: T) => T, [float([5]), float([5])]),
  check("outerProduct", (a: T, b: T) => tf.outerProduct(a as tf.Tensor1D, b as tf.Tensor1D), [
    float([3]),
    float([4]),
  ]),
  check(
    "einsum matrix product",
    (a: T, b: T) => tf.einsum("ij,kj->ik", a, b),
    [float([3, 4]), float([5, 4])],
    none,
  ),
  check(
    "einsum batched",
    (a: T, b: T) => tf.einsum("bij,bjk->bik", a, b),
    [float([2, 3, 4]), float([2, 4, 5])],
    none,
  ),
  check("einsum transpose", (a: T) => tf.einsum("ij->ji", a), [float([3, 4])], none),
  check("einsum sum", (a: T) => tf.einsum("ij->j", a), [float([3, 4])], none),
  check("einsum outer", (a: T, b: T) => tf.einsum("i,j->ij", a, b), [float([3]), float([4])], none),
  check("softmax", (x: T) => tf.softmax(x), [float([2, 3, 4])]),
  check("logSoftmax", (x: T) => tf.logSoftmax(x), [float([3, 4])]),
  check("logSoftmax of large numbers", (x: T) => tf.logSoftmax(x), [float([3, 4], -90, 90)], {
    tolerance: 1e-5,
  }),
  check("norm", (x: T) => tf.norm(x, "euclidean", -1), [float([3, 4])]),
  check(
    "moments",
    (x: T) => {
      const { mean, variance } = tf.moments(x, 0);
      return [mean, variance];
    },
    [float([3, 4])],
  ),
  check("cosine distance", (a: T, b: T) => tf.losses.cosineDistance(a, b, 1), [float([3, 4]), float([3, 4])]),
  check("huber loss", (a: T, b: T) => tf.losses.huberLoss(a, b), [float([3, 4]), float([3, 4])]),
  check("softmax cross-entropy", (a: T, b: T) => tf.losses.softmaxCrossEntropy(a, b), [
    float([3, 4], 0, 1),
    float([3, 4]),
  ]),
  check("sigmoid cross-entropy", (a: T, b: T) => tf.losses.sigmoidCrossEntropy(a, b), [
    float([3, 4], 0, 1),
    float([3, 4]),
  ]),
  check(
    "fused matMul",
    (a: T, b: T, bias: T) =>
      tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias, activation: "relu" }),
    [float([3, 4]), float([4, 5]), float([5])],
  ),
  check(
    "fused matMul with elu",
    (a: T, b: T) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, activation: "sigmoid" }),
    [float([3, 4]), float([4, 5])],
    none,
  ),
];

/** Reductions, products and what is made of them. */
export const reductionCases: readonly ContractCase[] = [...reductions, ...products];
