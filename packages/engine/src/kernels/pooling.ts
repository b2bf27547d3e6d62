import { elementwise, reshape } from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import { scalar } from "../graph/recording.ts";
import { firstMaximum } from "./convolution.ts";
import type { KernelAttributes, KernelTable } from "./kernel-rule.ts";
import {
  convolutionInfo,
  coverage,
  padForWindows,
  plan2D,
  plan3D,
  tapBack,
  taps,
  tapView,
  type WindowPlan,
} from "./window.ts";

type Shape2D = [number, number, number, number];
type Shape3D = [number, number, number, number, number];

/** Poolings and normalisations over neighbours. */
export const poolingKernels: KernelTable = {
  AvgPool: ({ x }, attributes) => average(x, pool2D(x.shape, attributes)),
  AvgPool3D: ({ x }, attributes) => average(x, pool3D(x.shape, attributes)),
  AvgPoolGrad: ({ dy, input }, attributes) => averageGradient(dy, pool2D(input.shape, attributes)),
  AvgPool3DGrad: ({ dy, input }, attributes) => averageGradient(dy, pool3D(input.shape, attributes)),
  MaxPool: ({ x }, attributes) => maximum(x, pool2D(x.shape, attributes)),
  MaxPool3D: ({ x }, attributes) => maximum(x, pool3D(x.shape, attributes)),
  MaxPoolGrad: ({ dy, input }, attributes) => maximumGradient(dy, input, pool2D(input.shape, attributes)),
  MaxPool3DGrad: ({ dy, input }, attributes) => maximumGradient(dy, input, pool3D(input.shape, attributes)),
  LRN: ({ x }, attributes) =>
    elementwise("Mul", [x, elementwise("Pow", [lrnNorm(x, attributes), scalar(-attributes["beta"])])]),
  LRNGrad: ({ x, y, dy }, attributes) => lrnGradient(x, y, dy, attributes),
  FusedBatchNorm: ({ x, mean, variance, offset, scale }, { varianceEpsilon }) => {
    const deviation = elementwise("Sqrt", [elementwise("Add", [variance, scalar(varianceEpsilon)])]);
    const unit = elementwise("Div", [elementwise("Sub", [x, mean]), deviation]);
    const scaled = scale ? elementwise("Mul", [unit, scale]) : unit;
    return offset ? elementwise("Add", [scaled, offset]) : scaled;
  },
};

const lowest = -3.4028234663852886e38;
const add = (a: GraphNode, b: GraphNode): GraphNode => elementwise("Add", [a, b]);

function pool2D(
  shape: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: KernelAttributes,
): WindowPlan {
  return plan2D(convolutionInfo.pool2D([...shape] as Shape2D, filterSize, strides, 1, pad, dimRoundingMode));
}

function pool3D(
  shape: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: KernelAttributes,
): WindowPlan {
  return plan3D(convolutionInfo.pool3D([...shape] as Shape3D, filterSize, strides, 1, pad, dimRoundingMode));
}

function average(x: GraphNode, plan: WindowPlan): GraphNode {
  const padded = padForWindows(x, plan);
  const sum = taps(plan)
    .map((tap) => tapView(padded, plan, tap))
    .reduce(add);
  return elementwise("Div", [sum, coverage(plan)]);
}

function averageGradient(dy: GraphNode, plan: WindowPlan): GraphNode {
  const share = elementwise("Div", [dy, scalar(plan.filter.reduce((a, b) => a * b, 1))]);
  return taps(plan)
    .map((tap) => tapBack(share, plan, tap))
    .reduce(add);
}

function maximum(x: GraphNode, plan: WindowPlan): GraphNode {
  const padded = padForWindows(x, plan, lowest);
  return taps(plan)
    .map((tap) => tapView(padded, plan, tap))
    .reduce((a, b) => elementwise("Max", [a, b]));
}

function maximumGradient(dy: GraphNode, input: GraphNode, plan: WindowPlan): GraphNode {
  const padded = padForWindows(input, plan, lowest);
  const shares = firstMaximum(
    taps(plan).map((tap) => tapView(padded, plan, tap)),
    dy,
  );
  return taps(plan)
    .map((tap, k) => tapBack(shares[k]!, plan, tap))
    .reduce(add);
}

/** The plan of a window of channels `2 * depthRadius + 1` wide: channels become the one spatial axis. */
function channelPlan(channels: number, depthRadius: number): WindowPlan {
  const width = 2 * depthRadius + 1;
  return {
    input: [channels],
    output: [channels],
    filter: [width],
    strides: [1],
    dilations: [1],
    before: [depthRadius],
  };
}

/** Sum over neighbouring channels. */
function neighbours(x: GraphNode, depthRadius: number): GraphNode {
  const channels = x.shape.at(-1)!;
  const rows = reshape(x, [x.shape.slice(0, -1).reduce((a, b) => a * b, 1), channels, 1]);
  const plan = channelPlan(channels, depthRadius);
  const padded = padForWindows(rows, plan);
  return reshape(
    taps(plan)
      .map((tap) => tapView(padded, plan, tap))
      .reduce(add),
    x.shape,
  );
}

function lrnNorm(x: GraphNode, { depthRadius, bias, alpha }: KernelAttributes): GraphNode {
  return add(
    scalar(bias),
    elementwise("Mul", [scalar(alpha), neighbours(elementwise("Mul", [x, x]), depthRadius)]),
  );
}

function lrnGradient(x: GraphNode, y: GraphNode, dy: GraphNode, attributes: KernelAttributes): GraphNode {
  const norm = lrnNorm(x, attributes);
  const { alpha, beta, depthRadius } = attributes;
  const direct = elementwise("Mul", [dy, elementwise("Pow", [norm, scalar(-beta)])]);
  const weights = elementwise("Div", [elementwise("Mul", [dy, y]), norm]);
  const across = elementwise("Mul", [x, neighbours(weights, depthRadius)]);
  return add(direct, elementwise("Mul", [across, scalar(-2 * alpha * beta)]));
}
