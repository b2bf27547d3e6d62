import { cast, concat, elementwise, reduce, reshape, slice, transpose } from "../graph/build.ts";
import type { GraphNode } from "../graph/node.ts";
import { activate } from "./elementwise.ts";
import type { KernelAttributes, KernelTable } from "./kernel-rule.ts";
import {
  channelsFirst,
  channelsLast,
  convolutionInfo,
  convolve,
  convolveFilterGradient,
  convolveInputGradient,
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

/** Convolutions, as matrix products over windows. */
export const convolutionKernels: KernelTable = {
  Conv2D: ({ x, filter }, attributes) => conv2D(x, filter, attributes),
  FusedConv2D: (operands, attributes) => {
    const product = conv2D(operands.x, operands.filter, attributes);
    const biased = operands.bias
      ? elementwise("Add", [product, biasFor(operands.bias, attributes)])
      : product;
    return activate(biased, attributes["activation"], operands, attributes);
  },
  Conv2DBackpropInput: ({ dy, filter }, attributes) => {
    const plan = planOf(attributes["inputShape"], filter.shape, attributes);
    return fromLast(convolveInputGradient(toLast(dy, attributes), filter, plan), attributes);
  },
  Conv2DBackpropFilter: ({ x, dy }, attributes) => {
    const plan = planOf(x.shape, attributes["filterShape"], attributes);
    return convolveFilterGradient(toLast(x, attributes), toLast(dy, attributes), plan);
  },
  Conv3D: ({ x, filter }, { strides, pad, dilations }) =>
    convolve(x, filter, planOf3D(x.shape, filter.shape, strides, pad, dilations)),
  Conv3DBackpropInputV2: ({ dy, filter }, { strides, pad, inputShape }) =>
    convolveInputGradient(dy, filter, planOf3D(inputShape, filter.shape, strides, pad, 1)),
  Conv3DBackpropFilterV2: ({ x, dy }, { strides, pad, filterShape }) =>
    convolveFilterGradient(x, dy, planOf3D(x.shape, filterShape, strides, pad, 1)),
  DepthwiseConv2dNative: ({ x, filter }, attributes) => depthwise(x, filter, attributes),
  FusedDepthwiseConv2D: (operands, attributes) => {
    const product = depthwise(operands.x, operands.filter, attributes);
    const biased = operands.bias ? elementwise("Add", [product, operands.bias]) : product;
    return activate(biased, attributes["activation"], operands, attributes);
  },
  DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, attributes) => {
    const plan = planOf(attributes["inputShape"], filter.shape, attributes, true);
    const [channels, multiplier] = filter.shape.slice(-2) as [number, number];
    const dys = reshape(dy, [dy.shape[0]!, ...plan.output, channels, multiplier]);
    return taps(plan)
      .map((tap) => {
        const weighted = elementwise("Mul", [dys, tapFilter(filter, tap)]); // [B, H, W, C, M]
        return tapBack(reduce("ReduceSum", weighted, [4], false), plan, tap);
      })
      .reduce((a, b) => elementwise("Add", [a, b]));
  },
  DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, attributes) => {
    const plan = planOf(x.shape, attributes["filterShape"], attributes, true);
    const [channels, multiplier] = attributes["filterShape"].slice(-2) as [number, number];
    const dys = reshape(dy, [dy.shape[0]!, ...plan.output, channels, multiplier]);
    const padded = padForWindows(x, plan);
    const parts = taps(plan).map((tap) => {
      const seen = reshape(tapView(padded, plan, tap), [x.shape[0]!, ...plan.output, channels, 1]);
      return reduce("ReduceSum", elementwise("Mul", [seen, dys]), [0, 1, 2], false); // [C, M]
    });
    return reshape(
      concat(
        parts.map((part) => reshape(part, [1, channels, multiplier])),
        0,
      ),
      attributes["filterShape"],
    );
  },
  Dilation2D: ({ x, filter }, attributes) => {
    const [plan, padded] = dilationTaps(x, filter, attributes);
    return taps(plan)
      .map((tap) => elementwise("Add", [tapView(padded, plan, tap), channelFilter(filter, tap)]))
      .reduce((a, b) => elementwise("Max", [a, b]));
  },
  Dilation2DBackpropInput: ({ x, filter, dy }, attributes) => {
    const [plan, padded] = dilationTaps(x, filter, attributes);
    return winners(plan, padded, filter, dy)
      .map(({ tap, won }) => tapBack(won, plan, tap))
      .reduce((a, b) => elementwise("Add", [a, b]));
  },
  Dilation2DBackpropFilter: ({ x, filter, dy }, attributes) => {
    const [plan, padded] = dilationTaps(x, filter, attributes);
    const channels = filter.shape[2]!;
    const sums = winners(plan, padded, filter, dy).map(({ won }) =>
      reshape(reduce("ReduceSum", won, [0, 1, 2], false), [1, channels]),
    );
    return reshape(concat(sums, 0), filter.shape);
  },
};

function planOf(
  input: readonly number[],
  filter: readonly number[],
  attributes: KernelAttributes,
  depthwise = false,
): WindowPlan {
  const { strides, pad, dilations, dimRoundingMode, dataFormat } = attributes;
  const format = convolutionInfo.dataFormat(dataFormat ?? "NHWC");
  const shapes = [[...input] as Shape2D, [...filter] as Shape2D] as const;
  return plan2D(
    convolutionInfo.conv2D(...shapes, strides, dilations ?? 1, pad, dimRoundingMode, depthwise, format),
  );
}

function planOf3D(
  input: readonly number[],
  filter: readonly number[],
  strides: number,
  pad: "valid" | "same",
  dilations: number,
): WindowPlan {
  return plan3D(
    convolutionInfo.conv3D([...input] as Shape3D, [...filter] as Shape3D, strides, dilations, pad),
  );
}

const isFirst = (attributes: KernelAttributes): boolean => attributes["dataFormat"] === "NCHW";

function toLast(x: GraphNode, attributes: KernelAttributes): GraphNode {
  return isFirst(attributes) ? transpose(x, channelsLast(4)) : x;
}

function fromLast(x: GraphNode, attributes: KernelAttributes): GraphNode {
  return isFirst(attributes) ? transpose(x, channelsFirst(4)) : x;
}

function biasFor(bias: GraphNode, attributes: KernelAttributes): GraphNode {
  return isFirst(attributes) && bias.shape.length === 1 ? reshape(bias, [bias.shape[0]!, 1, 1]) : bias;
}

function conv2D(x: GraphNode, filter: GraphNode, attributes: KernelAttributes): GraphNode {
  return fromLast(
    convolve(toLast(x, attributes), filter, planOf(x.shape, filter.shape, attributes)),
    attributes,
  );
}

/** The weights of one tap for broadcasting over `[B, H, W, C, M]`. */
function tapFilter(filter: GraphNode, tap: readonly number[]): GraphNode {
  const [channels, multiplier] = filter.shape.slice(-2) as [number, number];
  return reshape(slice(filter, [...tap, 0, 0], [1, 1, channels, multiplier]), [channels, multiplier]);
}

function channelFilter(filter: GraphNode, tap: readonly number[]): GraphNode {
  return reshape(slice(filter, [...tap, 0], [1, 1, filter.shape[2]!]), [filter.shape[2]!]);
}

function depthwise(x: GraphNode, filter: GraphNode, attributes: KernelAttributes): GraphNode {
  const plan = planOf(x.shape, filter.shape, attributes, true);
  const padded = padForWindows(toLast(x, attributes), plan);
  const [channels, multiplier] = filter.shape.slice(-2) as [number, number];
  const sum = taps(plan)
    .map((tap) => {
      const seen = reshape(tapView(padded, plan, tap), [x.shape[0]!, ...plan.output, channels, 1]);
      return elementwise("Mul", [seen, tapFilter(filter, tap)]); // [B, H, W, C, M]
    })
    .reduce((a, b) => elementwise("Add", [a, b]));
  return fromLast(reshape(sum, [x.shape[0]!, ...plan.output, channels * multiplier]), attributes);
}

function dilationTaps(
  x: GraphNode,
  filter: GraphNode,
  attributes: KernelAttributes,
): [WindowPlan, GraphNode] {
  const { strides, pad, dilations } = attributes;
  const shapes = [[...x.shape] as Shape2D, [...filter.shape] as [number, number, number]] as const;
  const plan = plan2D(convolutionInfo.dilation2D(...shapes, strides, pad, "NHWC", dilations));
  return [plan, padForWindows(x, plan, Number.MIN_SAFE_INTEGER)];
}

/** For every tap, `dy` where this tap is the first to hold the maximum, zero elsewhere. */
function winners(
  plan: WindowPlan,
  padded: GraphNode,
  filter: GraphNode,
  dy: GraphNode,
): { tap: number[]; won: GraphNode }[] {
  const values = taps(plan).map((tap) =>
    elementwise("Add", [tapView(padded, plan, tap), channelFilter(filter, tap)]),
  );
  return firstMaximum(values, dy).map((won, k) => ({ tap: taps(plan)[k]!, won }));
}

/** Gives `dy` to the first of the candidates that holds the maximum. */
export function firstMaximum(candidates: readonly GraphNode[], dy: GraphNode): GraphNode[] {
  const best = candidates.reduce((a, b) => elementwise("Max", [a, b]));
  let open: GraphNode | undefined;
  return candidates.map((value) => {
    const equal = elementwise("Equal", [value, best], "bool");
    const first = open ? elementwise("And", [equal, open], "bool") : equal;
    const lost = elementwise("Not", [equal], "bool");
    open = open ? elementwise("And", [open, lost], "bool") : lost;
    return elementwise("Mul", [dy, cast(first, "float32")]);
  });
}
