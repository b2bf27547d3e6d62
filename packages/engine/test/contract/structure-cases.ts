import * as tf from "@tensorflow/tfjs";
import { bool, check, float, integer, integers, type ContractCase } from "./case.ts";

type T = tf.Tensor;
const none = { gradient: false };

const movementCases = [
  check("reshape", (x: T) => tf.reshape(x, [6, -1]), [float([2, 3, 4])]),
  check("reshape to scalar", (x: T) => tf.reshape(x, []), [float([1, 1])]),
  check("expandDims", (x: T) => tf.expandDims(x, -1), [float([2, 3])]),
  check("squeeze", (x: T) => tf.squeeze(x), [float([2, 1, 3, 1])]),
  check("clone", (x: T) => tf.clone(x), [float([2, 3])]),
  check("transpose", (x: T) => tf.transpose(x, [0, 2, 3, 1]), [float([2, 3, 4, 5])]),
  check("transpose of a matrix", (x: T) => tf.transpose(x), [integer([3, 4])]),
  check("transpose of unit axes", (x: T) => tf.transpose(x, [1, 0, 2]), [float([1, 3, 4])]),
  check("transpose of bool", (x: T) => tf.transpose(x), [bool([3, 4])]),
  check("transpose twice", (x: T) => tf.transpose(tf.transpose(x, [2, 0, 1]), [1, 2, 0]), [float([2, 3, 4])]),
  check("broadcastTo", (x: T) => tf.broadcastTo(x, [3, 4, 4]), [float([3, 1, 4])]),
  check("tile", (x: T) => tf.tile(x, [2, 3]), [float([3, 4])]),
  check("tile of bool", (x: T) => tf.tile(x, [2, 1]), [bool([3, 4])]),
  check("tile of unit axes", (x: T) => tf.tile(x, [1, 5, 1]), [float([2, 1, 3])]),
  check("slice", (x: T) => tf.slice(x, [0, 1, 2], [2, -1, 2]), [float([2, 3, 4])]),
  check("slice of bool", (x: T) => tf.slice(x, [1, 1]), [bool([3, 4])]),
  check("slice to nothing", (x: T) => tf.slice(x, [1, 1], [0, 2]), [float([3, 4])]),
  check("stridedSlice", (x: T) => tf.stridedSlice(x, [0, 3], [3, 0], [2, -1]), [float([3, 4])], none),
  check(
    "stridedSlice with masks",
    (x: T) => tf.stridedSlice(x, [0, 1], [2, 3], [1, 2], 1, 2),
    [float([3, 4])],
    none,
  ),
  check(
    "stridedSlice that drops an axis",
    (x: T) => tf.stridedSlice(x, [1, 0], [2, 4], [1, 1], 0, 0, 0, 0, 1),
    [float([3, 4])],
    none,
  ),
  check("concat", (a: T, b: T) => tf.concat([a, b], -1), [float([3, 4]), float([3, 2])]),
  check("concat of bool", (a: T, b: T) => tf.concat([a, b], 0), [bool([3, 4]), bool([2, 4])]),
  check("concat of int32", (a: T, b: T) => tf.concat([a, b], 0), [integer([3, 4]), integer([2, 4])]),
  check("concat with nothing", (a: T, b: T) => tf.concat([a, b], 0), [float([0, 4]), float([2, 4])]),
  check("stack", (a: T, b: T) => tf.stack([a, b], -1), [float([3, 4]), float([3, 4])]),
  check("unstack", (x: T) => tf.unstack(x, -1), [float([2, 3])]),
  check("split", (x: T) => tf.split(x, [1, 3], -1), [float([2, 4])]),
  check("split evenly", (x: T) => tf.split(x, 2, 0), [float([4, 3])]),
  check(
    "pad",
    (x: T) =>
      tf.pad(x, [
        [1, 0],
        [2, 3],
      ]),
    [float([3, 4])],
  ),
  check(
    "pad with a value",
    (x: T) =>
      tf.pad(
        x,
        [
          [1, 0],
          [2, 3],
        ],
        7,
      ),
    [integer([3, 4])],
  ),
  check(
    "pad of bool",
    (x: T) =>
      tf.pad(x, [
        [1, 0],
        [0, 2],
      ]),
    [bool([3, 4])],
  ),
  check(
    "mirrorPad reflect",
    (x: T) =>
      tf.mirrorPad(
        x,
        [
          [1, 2],
          [2, 1],
        ],
        "reflect",
      ),
    [float([3, 4])],
    none,
  ),
  check(
    "mirrorPad symmetric",
    (x: T) =>
      tf.mirrorPad(
        x,
        [
          [1, 2],
          [2, 1],
        ],
        "symmetric",
      ),
    [float([3, 4])],
    none,
  ),
  check("reverse", (x: T) => tf.reverse(x, [0, -1]), [float([3, 4, 5])]),
  check("reverse of bool", (x: T) => tf.reverse(x, 0), [bool([3])]),
  check("flipLeftRight", (x: T) => tf.image.flipLeftRight(x as tf.Tensor4D), [float([1, 2, 3, 2])], none),
  check(
    "spaceToBatchND",
    (x: T) =>
      tf.spaceToBatchND(
        x,
        [2, 2],
        [
          [0, 0],
          [2, 0],
        ],
      ),
    [float([2, 4, 2, 3])],
  ),
  check(
    "batchToSpaceND",
    (x: T) =>
      tf.batchToSpaceND(
        x,
        [2, 2],
        [
          [0, 0],
          [1, 0],
        ],
      ),
    [float([8, 2, 2, 3])],
  ),
  check("depthToSpace", (x: T) => tf.depthToSpace(x as tf.Tensor4D, 2, "NHWC"), [float([1, 2, 3, 8])], none),
  check("diag", tf.diag, [float([3])], none),
  check("bandPart", (x: T) => tf.linalg.bandPart(x, 1, 0), [float([4, 4])], none),
];

const creationCases = [
  check("zerosLike", (x: T) => tf.add(tf.zerosLike(x), x), [float([2, 3])]),
  check("onesLike", (x: T) => tf.mul(tf.onesLike(x), x), [float([2, 3])]),
  check("fill", (x: T) => tf.mul(x, tf.fill(x.shape, 2.5)), [float([3, 4])]),
  check("range", (x: T) => tf.mul(x, tf.range(0, 4)), [float([3, 4])]),
  check("range downwards", (x: T) => tf.mul(x, tf.range(8, 0, -2)), [float([3, 4])]),
  check("linspace", (x: T) => tf.mul(x, tf.linspace(-1, 1, 4)), [float([3, 4])]),
  check("eye", (x: T) => tf.mul(x, tf.eye(4)), [float([4, 4])]),
  check("oneHot", (x: T) => tf.oneHot(x as tf.Tensor1D, 6), [integer([3, 4], 6)]),
  check("oneHot with values", (x: T) => tf.oneHot(x, 6, 0.9, 0.02), [integer([5], 6)]),
  check("a constant result", (x: T) => [tf.ones([2, 2]), tf.sum(x)], [float([3])]),
  check("an argument as result", (x: T) => [x, tf.neg(x)], [float([3])]),
  check(
    "one value as two results",
    (x: T) => {
      const y = tf.exp(x);
      return [y, y];
    },
    [float([3])],
  ),
];

const indexingCases = [
  check("gather", (x: T, i: T) => tf.gather(x, i as tf.Tensor1D), [float([3, 4]), integer([2, 5], 3)]),
  check("gather along an axis", (x: T, i: T) => tf.gather(x, i as tf.Tensor1D, -2), [
    float([2, 3, 4]),
    integer([4], 3),
  ]),
  check("gather of int32", (x: T, i: T) => tf.gather(x, i as tf.Tensor1D), [
    integer([3, 4]),
    integer([5], 3),
  ]),
  check("gather of bool", (x: T, i: T) => tf.gather(x, i as tf.Tensor1D), [bool([3, 4]), integer([5], 3)]),
  check("gather per row", (x: T, i: T) => tf.gather(x, i as tf.Tensor1D, 1, 1), [
    float([3, 4, 2]),
    integer([3, 2], 4),
  ]),
  check(
    "gather per row behind an axis",
    (x: T, i: T) => tf.gather(x, i as tf.Tensor1D, 2, 1),
    [float([2, 3, 5]), integer([2, 4], 5)],
    none,
  ),
  check(
    "gather with no index",
    (x: T, i: T) => tf.gather(x, i as tf.Tensor1D),
    [float([3, 4]), integers()],
    none,
  ),
  check("gatherND", (x: T, i: T) => tf.gatherND(x, i), [float([3, 4, 2]), integer([5, 2], 3)], none),
  check("unsortedSegmentSum", (x: T, i: T) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 4), [
    float([6, 3]),
    integers(0, 3, 3, 1, 0, 3),
  ]),
  check(
    "unsortedSegmentSum drops negative ids",
    (x: T, i: T) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 3),
    [float([5, 2]), integers(-1, 0, 2, -1, 2)],
  ),
  check(
    "scatterND",
    (i: T, x: T) => tf.scatterND(i, x, [6, 4]),
    [{ ...integers(1, 4, 1), shape: [3, 1] }, float([3, 4])],
    none,
  ),
  check(
    "scatterND of points",
    (i: T, x: T) => tf.scatterND(i, x, [3, 4]),
    [{ ...integers(0, 1, 2, 3, 0, 1), shape: [3, 2] }, float([3])],
    none,
  ),
  check(
    "tensorScatterUpdate",
    (t: T, i: T, x: T) => tf.tensorScatterUpdate(t, i, x),
    [float([6, 4]), { ...integers(1, 4), shape: [2, 1] }, float([2, 4])],
    none,
  ),
  check("sparseToDense", (i: T, v: T) => tf.sparseToDense(i, v, [5], 0), [integers(1, 3), float([2])], none),
  check(
    "topk",
    (x: T) => {
      const { values, indices } = tf.topk(x, 2);
      return [values, indices];
    },
    [float([3, 5])],
    none,
  ),
  check(
    "searchSorted left",
    (s: T, v: T) => tf.searchSorted(s, v, "left"),
    [
      { ...integers(1, 3, 3, 7), shape: [1, 4] },
      { ...integers(0, 3, 9), shape: [1, 3] },
    ],
    none,
  ),
  check(
    "searchSorted right",
    (s: T, v: T) => tf.searchSorted(s, v, "right"),
    [
      { ...integers(1, 3, 3, 7), shape: [1, 4] },
      { ...integers(0, 3, 9), shape: [1, 3] },
    ],
    none,
  ),
  check("bincount", (x: T) => tf.bincount(x as tf.Tensor1D, tf.tensor1d([]), 5), [integer([7])], none),
  check(
    "bincount with weights",
    (x: T, w: T) => tf.bincount(x as tf.Tensor1D, w as tf.Tensor1D, 5),
    [integer([7]), float([7])],
    none,
  ),
  check(
    "denseBincount",
    (x: T) => tf.denseBincount(x as tf.Tensor2D, tf.tensor2d([], [0, 0]), 5),
    [integer([2, 7])],
    none,
  ),
  check(
    "denseBincount binary",
    (x: T) => tf.denseBincount(x as tf.Tensor2D, tf.tensor2d([], [0, 0]), 5, true),
    [integer([2, 7])],
    none,
  ),
];

/** Movement, creation and indexing. */
export const structureCases: readonly ContractCase[] = [...movementCases, ...creationCases, ...indexingCases];
