import * as tf from "@tensorflow/tfjs";
import { check, float, type ContractCase } from "./case.ts";

type T4 = tf.Tensor4D;
type T5 = tf.Tensor5D;
const none = { gradient: false };

const convolutions = [
  check("conv2d valid", (x: T4, w: T4) => tf.conv2d(x, w, 1, "valid"), [
    float([2, 5, 6, 3]),
    float([3, 2, 3, 4]),
  ]),
  check("conv2d same, stride 2", (x: T4, w: T4) => tf.conv2d(x, w, 2, "same"), [
    float([2, 5, 6, 3]),
    float([3, 3, 3, 4]),
  ]),
  check("conv2d of patches", (x: T4, w: T4) => tf.conv2d(x, w, 2, "valid"), [
    float([2, 8, 8, 3]),
    float([2, 2, 3, 4]),
  ]),
  check(
    "conv2d dilated",
    (x: T4, w: T4) => tf.conv2d(x, w, 1, "same", "NHWC", 2),
    [float([1, 7, 7, 2]), float([3, 3, 2, 2])],
    none,
  ),
  check(
    "conv2d channels first",
    (x: T4, w: T4) => tf.conv2d(x, w, 1, "same", "NCHW"),
    [float([2, 3, 5, 6]), float([3, 3, 3, 4])],
    none,
  ),
  check("conv2d of 1 x 1", (x: T4, w: T4) => tf.conv2d(x, w, 1, "valid"), [
    float([2, 3, 4, 3]),
    float([1, 1, 3, 5]),
  ]),
  check("conv1d", (x: tf.Tensor3D, w: tf.Tensor3D) => tf.conv1d(x, w, 1, "same"), [
    float([2, 6, 3]),
    float([3, 3, 4]),
  ]),
  check("conv2dTranspose", (x: T4, w: T4) => tf.conv2dTranspose(x, w, [2, 8, 8, 3], 2, "same"), [
    float([2, 4, 4, 5]),
    float([3, 3, 3, 5]),
  ]),
  check("conv3d", (x: T5, w: T5) => tf.conv3d(x, w, 1, "same"), [
    float([1, 3, 4, 4, 2]),
    float([2, 2, 2, 2, 3]),
  ]),
  check("conv3d, stride 2", (x: T5, w: T5) => tf.conv3d(x, w, 2, "valid"), [
    float([1, 4, 4, 4, 2]),
    float([2, 2, 2, 2, 3]),
  ]),
  check("depthwiseConv2d", (x: T4, w: T4) => tf.depthwiseConv2d(x, w, 1, "same"), [
    float([2, 5, 5, 3]),
    float([3, 3, 3, 2]),
  ]),
  check("depthwiseConv2d, stride 2", (x: T4, w: T4) => tf.depthwiseConv2d(x, w, 2, "valid"), [
    float([1, 6, 6, 2]),
    float([3, 3, 2, 1]),
  ]),
  check("separableConv2d", (x: T4, d: T4, p: T4) => tf.separableConv2d(x, d, p, 1, "same"), [
    float([1, 4, 4, 2]),
    float([3, 3, 2, 2]),
    float([1, 1, 4, 3]),
  ]),
  check(
    "fused conv2d",
    (x: T4, w: T4, bias: tf.Tensor) =>
      tf.fused.conv2d({ x, filter: w, strides: 1, pad: "same", bias, activation: "relu" }),
    [float([1, 4, 4, 2]), float([3, 3, 2, 3]), float([3])],
  ),
  check(
    "fused depthwiseConv2d",
    (x: T4, w: T4, bias: tf.Tensor) =>
      tf.fused.depthwiseConv2d({ x, filter: w, strides: 1, pad: "same", bias, activation: "relu6" }),
    [float([1, 4, 4, 2]), float([3, 3, 2, 1]), float([2])],
  ),
  check("dilation2d", (x: T4, w: tf.Tensor3D) => tf.dilation2d(x, w, 1, "same"), [
    float([1, 5, 5, 2]),
    float([3, 3, 2]),
  ]),
];

const poolings = [
  check("maxPool", (x: T4) => tf.maxPool(x, 2, 2, "valid"), [float([2, 6, 6, 3])]),
  check("maxPool, overlapping", (x: T4) => tf.maxPool(x, 3, 2, "same"), [float([2, 5, 6, 3])]),
  check("avgPool", (x: T4) => tf.avgPool(x, 2, 2, "valid"), [float([2, 6, 6, 3])]),
  check("avgPool same", (x: T4) => tf.avgPool(x, 3, 2, "same"), [float([2, 5, 5, 3])], none),
  check("maxPool3d", (x: T5) => tf.maxPool3d(x, 2, 2, "valid"), [float([1, 4, 4, 4, 2])]),
  check("avgPool3d", (x: T5) => tf.avgPool3d(x, 2, 2, "valid"), [float([1, 4, 4, 4, 2])]),
  check(
    "localResponseNormalization",
    (x: T4) => tf.localResponseNormalization(x, 2, 1, 0.5, 0.75),
    [float([1, 2, 3, 6])],
    { tolerance: 1e-5 },
  ),
  check(
    "batchNorm",
    (x: T4, m: tf.Tensor1D, v: tf.Tensor1D, o: tf.Tensor1D, s: tf.Tensor1D) => tf.batchNorm(x, m, v, o, s),
    [float([2, 3, 3, 4]), float([4]), float([4], 0.5, 2), float([4]), float([4])],
    { tolerance: 1e-5 },
  ),
];

// Square inputs: TensorFlow.js's gradient of resizeBilinear swaps height and width. One image: that of
// resizeNearestNeighbor reads the first image for all.
const images = [true, false].flatMap((align) => [
  check(
    `resizeBilinear up, align ${align}`,
    (x: T4) => tf.image.resizeBilinear(x, [7, 9], align),
    [float([2, 4, 4, 3])],
    { tolerance: 1e-5 },
  ),
  check(
    `resizeBilinear down, align ${align}`,
    (x: T4) => tf.image.resizeBilinear(x, [3, 2], align),
    [float([2, 6, 6, 3])],
    { tolerance: 1e-5 },
  ),
  check(
    `resizeNearestNeighbor up, align ${align}`,
    (x: T4) => tf.image.resizeNearestNeighbor(x, [7, 9], align),
    [float([1, 4, 5, 3])],
  ),
]);

const halfPixel = [
  check(
    "resizeBilinear with half pixels",
    (x: T4) => tf.image.resizeBilinear(x, [7, 9], false, true),
    [float([2, 4, 5, 3])],
    none,
  ),
  check(
    "resizeNearestNeighbor with half pixels",
    (x: T4) => tf.image.resizeNearestNeighbor(x, [3, 2], false, true),
    [float([2, 4, 5, 3])],
    none,
  ),
];

/** Convolutions, poolings and resizing. */
export const windowCases: readonly ContractCase[] = [...convolutions, ...poolings, ...images, ...halfPixel];
