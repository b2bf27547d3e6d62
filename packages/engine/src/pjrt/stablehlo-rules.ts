import type { GraphNode } from "../graph/node.ts";
import type { Primitive } from "../graph/primitive.ts";
import {
  broadcast,
  compare,
  concat,
  constant,
  convert,
  elementOf,
  filled,
  gather,
  list,
  range,
  reduceAxes,
  reshape,
  scalar,
  scatter,
  select,
  slice,
  transpose,
  typed,
  typeOf,
  typeText,
  uniform,
  type Body,
  type Value,
} from "./stablehlo-text.ts";

/** Emits one primitive over the values of its operands. */
export type StableHloRule<P extends Primitive> = (
  body: Body,
  node: GraphNode<P>,
  x: readonly Value[],
) => Value;

const same = (body: Body, { shape }: GraphNode, x: readonly Value[]): Value[] =>
  x.map((operand) => broadcast(body, operand, shape));

const elementwise =
  (op: string): StableHloRule<Primitive> =>
  (body, node, x) =>
    uniform(body, op, same(body, node, x));

const comparison =
  (direction: string): StableHloRule<Primitive> =>
  (body, node, x) => {
    const [a, b] = same(body, node, x);
    return compare(body, direction, a!, b!);
  };

/** Functions of the client dialect, which compilers expand into StableHLO. */
const chlo =
  (op: string): StableHloRule<Primitive> =>
  (body, _, [x]) =>
    body.emit(`chlo.${op} ${x!.name} : ${typeOf(x!)} -> ${typeOf(x!)}`, x!.shape, x!.element);

type Reductions = "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd";

/** What a reduction starts from. */
const neutral = {
  add: { f32: 0, i32: 0 },
  multiply: { f32: 1, i32: 1 },
  maximum: { f32: -Infinity, i32: -(2 ** 31) },
  minimum: { f32: Infinity, i32: 2 ** 31 - 1 },
} as const;

function start(body: Body, op: keyof typeof neutral, x: Value): Value {
  return scalar(body, x.element, neutral[op][x.element as "f32" | "i32"]);
}

const reduction =
  (op: keyof typeof neutral): StableHloRule<Reductions> =>
  (body, node, [x]) =>
    reshape(body, reduceAxes(body, op, start(body, op, x!), x!, node.attributes.axes), node.shape);

/** Primitive operation -> operations of StableHLO, https://openxla.org/stablehlo/spec */
export const stablehloRules: { readonly [P in Primitive]: StableHloRule<P> } = {
  Input: () => {
    throw new Error("An input is a parameter of the function.");
  },
  Const: (body, { dtype, shape, data }) => constant(body, dtype, shape, data!),
  Add: elementwise("add"),
  Sub: elementwise("subtract"),
  Mul: elementwise("multiply"),
  Div: elementwise("divide"),
  Pow: elementwise("power"),
  Max: elementwise("maximum"),
  Min: elementwise("minimum"),
  FloorMod: (body, node, x) => floorMod(body, ...(same(body, node, x) as [Value, Value])),
  Neg: elementwise("negate"),
  Abs: elementwise("abs"),
  Sign: elementwise("sign"),
  Equal: comparison("EQ"),
  Less: comparison("LT"),
  LessOrEqual: comparison("LE"),
  Greater: comparison("GT"),
  GreaterOrEqual: comparison("GE"),
  And: elementwise("and"),
  Or: elementwise("or"),
  Not: elementwise("not"),
  BitwiseAnd: elementwise("and"),
  Where: (body, node, x) => select(body, ...(same(body, node, x) as [Value, Value, Value])),
  Exp: elementwise("exponential"),
  Expm1: elementwise("exponential_minus_one"),
  Log: elementwise("log"),
  Log1p: elementwise("log_plus_one"),
  Sqrt: elementwise("sqrt"),
  Reciprocal: (body, node, [x]) => uniform(body, "divide", [filled(body, "f32", 1, node.shape), x!]),
  Floor: elementwise("floor"),
  Ceil: elementwise("ceil"),
  Round: elementwise("round_nearest_even"),
  Sin: elementwise("sine"),
  Cos: elementwise("cosine"),
  Tan: elementwise("tan"),
  Asin: chlo("asin"),
  Acos: chlo("acos"),
  Atan: chlo("atan"),
  Sinh: chlo("sinh"),
  Cosh: chlo("cosh"),
  Tanh: elementwise("tanh"),
  Asinh: chlo("asinh"),
  Acosh: chlo("acosh"),
  Atanh: chlo("atanh"),
  Erf: chlo("erf"),
  Relu: (body, node, [x]) => uniform(body, "maximum", [x!, filled(body, x!.element, 0, node.shape)]),
  Sigmoid: elementwise("logistic"),
  Softplus: (body, node, [x]) => {
    // max(x, 0) + log(1 + e^-|x|)
    const small = uniform(body, "exponential", [uniform(body, "negate", [uniform(body, "abs", [x!])])]);
    const positive = uniform(body, "maximum", [x!, filled(body, "f32", 0, node.shape)]);
    return uniform(body, "add", [positive, uniform(body, "log_plus_one", [small])]);
  },
  IsNan: (body, _, [x]) => compare(body, "NE", x!, x!),
  IsInf: (body, node, [x]) =>
    compare(body, "EQ", uniform(body, "abs", [x!]), filled(body, "f32", Infinity, node.shape)),
  Cast: (body, node, [x]) => convert(body, x!, elementOf[node.dtype]),
  Reshape: (body, node, [x]) => reshape(body, x!, node.shape),
  BroadcastTo: (body, node, [x]) => broadcast(body, x!, node.shape),
  Transpose: (body, node, [x]) => transpose(body, x!, node.attributes.perm),
  Slice: (body, node, [x]) => slice(body, x!, node.attributes.begin, node.shape, node.attributes.strides),
  Reverse: (body, node, [x]) =>
    body.emit(
      `stablehlo.reverse ${x!.name}, dims = ${list(node.attributes.axes)} : ${typeOf(x!)}`,
      x!.shape,
      x!.element,
    ),
  Concat: (body, node, x) => concat(body, x, node.attributes.axis),
  Pad: (body, node, [x, value]) => {
    const { paddings } = node.attributes;
    const [low, high] = [paddings.map(([before]) => before), paddings.map(([, after]) => after)];
    const sizes = `low = ${list(low)}, high = ${list(high)}, interior = ${list(low.map(() => 0))}`;
    const operands = [x!, reshape(body, value!, [])];
    return typed(
      body,
      `stablehlo.pad ${x!.name}, ${operands[1]!.name}, ${sizes}`,
      operands,
      node.shape,
      x!.element,
    );
  },
  Gather: (body, node, [x, indices]) => {
    const { axis } = node.attributes;
    const rank = indices!.shape.length;
    const offset = [...range(axis), ...range(x!.shape.length - axis - 1, axis + rank)];
    const dims = `offset_dims = ${list(offset)}, collapsed_slice_dims = [${axis}], start_index_map = [${axis}], index_vector_dim = ${rank}`;
    const sizes = x!.shape.map((extent, k) => (k === axis ? 1 : extent));
    return gather(body, x!, indices!, dims, sizes, node.shape);
  },
  GatherNd: (body, node, [x, indices]) => {
    const depth = indices!.shape.at(-1)!;
    const batch = indices!.shape.length - 1;
    const offset = range(x!.shape.length - depth, batch);
    const axes = list(range(depth));
    const dims = `offset_dims = ${list(offset)}, collapsed_slice_dims = ${axes}, start_index_map = ${axes}, index_vector_dim = ${batch}`;
    const sizes = x!.shape.map((extent, k) => (k < depth ? 1 : extent));
    return gather(body, x!, indices!, dims, sizes, node.shape);
  },
  SegmentSum: (body, node, [x, ids]) => {
    const rank = ids!.shape.length;
    const window = list(range(x!.shape.length - rank, rank));
    const dims = `update_window_dims = ${window}, inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = ${rank}`;
    return scatter(body, filled(body, x!.element, 0, node.shape), ids!, x!, dims, true);
  },
  ScatterNd: (body, node, [target, indices, rows]) => {
    const depth = indices!.shape.at(-1)!;
    const axes = list(range(depth));
    const window = list(range(target!.shape.length - depth, 1));
    const dims = `update_window_dims = ${window}, inserted_window_dims = ${axes}, scatter_dims_to_operand_dims = ${axes}, index_vector_dim = 1`;
    return scatter(body, target!, indices!, rows!, dims, node.attributes.add);
  },
  TopKValues: (body, node, [x]) => topK(body, node, x!, node.attributes.k, 0),
  TopKIndices: (body, node, [x]) => topK(body, node, x!, node.attributes.k, 1),
  After: (body, node, x) => {
    const text = `stablehlo.optimization_barrier ${x.map(({ name }) => name).join(", ")} : ${x.map(typeOf).join(", ")}`;
    return body.emitOne(x.length, 0, text, node.shape, x[0]!.element);
  },
  AllSum: (body, node, [x]) => {
    const t = typeText([], x!.element);
    const text = `"stablehlo.all_reduce"(${x!.name}) <{${groups(node.attributes.replicas)}}> ({ ^bb0(%a: ${t}, %b: ${t}): %s = stablehlo.add %a, %b : ${t} stablehlo.return %s : ${t} })`;
    return typed(body, text, [x!], x!.shape, x!.element);
  },
  AllGather: (body, node, [x]) => {
    const text = `"stablehlo.all_gather"(${x!.name}) <{all_gather_dim = 0 : i64, ${groups(node.attributes.replicas)}}>`;
    return typed(body, text, [x!], node.shape, x!.element);
  },
  ReduceSum: reduction("add"),
  ReduceMean: (body, node, [x]) => {
    const { axes } = node.attributes;
    const total = reduceAxes(body, "add", start(body, "add", x!), x!, axes);
    const count = axes.reduce((n, axis) => n * x!.shape[axis]!, 1);
    return reshape(
      body,
      uniform(body, "divide", [total, filled(body, "f32", count, total.shape)]),
      node.shape,
    );
  },
  ReduceMax: reduction("maximum"),
  ReduceMin: reduction("minimum"),
  ReduceProd: reduction("multiply"),
  ArgMax: (body, node, [x]) => extreme(body, node, x!, "maximum", "GT"),
  ArgMin: (body, node, [x]) => extreme(body, node, x!, "minimum", "LT"),
  CumSum: cumSum,
  Softmax: (body, node, [x]) => {
    const last = node.shape.length - 1;
    const kept = [...node.shape.slice(0, -1), 1];
    const along = (op: "maximum" | "add", y: Value): Value =>
      broadcast(body, reshape(body, reduceAxes(body, op, start(body, op, y), y, [last]), kept), node.shape);
    const exp = uniform(body, "exponential", [uniform(body, "subtract", [x!, along("maximum", x!)])]);
    return uniform(body, "divide", [exp, along("add", exp)]);
  },
  MatMul: matMul,
};

/** All processors together. */
function groups(replicas: number): string {
  return `replica_groups = dense<[${list(range(replicas))}]> : tensor<1x${replicas}xi64>`;
}

/** Remainder with the sign of the divisor. */
function floorMod(body: Body, a: Value, b: Value): Value {
  const rest = uniform(body, "remainder", [a, b]);
  const none = filled(body, a.element, 0, a.shape);
  const differs = uniform(body, "xor", [compare(body, "LT", rest, none), compare(body, "LT", b, none)]);
  const wrong = uniform(body, "and", [differs, compare(body, "NE", rest, none)]);
  return select(body, wrong, uniform(body, "add", [rest, b]), rest);
}

/** Index of the first largest or smallest element, a NaN before all: a reduction of pairs of value and index. */
function extreme(
  body: Body,
  node: GraphNode<"ArgMax" | "ArgMin">,
  x: Value,
  op: "maximum" | "minimum",
  direction: "GT" | "LT",
): Value {
  const { axis } = node.attributes;
  const index = body.emit(`stablehlo.iota dim = ${axis} : ${typeText(x.shape, "i32")}`, x.shape, "i32");
  const [worst, first] = [start(body, op, x), scalar(body, "i32", 0)];
  const [v, i] = [typeText([], x.element), typeText([], "i32")];
  const operands = [x, index, worst, first].map(typeOf).join(", ");
  const text =
    `stablehlo.reduce(${x.name} init: ${worst.name}), (${index.name} init: ${first.name}) across dimensions = [${axis}] : ` +
    `(${operands}) -> (${typeText(node.shape, x.element)}, ${typeText(node.shape, "i32")}) ` +
    `reducer(%a: ${v}, %c: ${v}) (%ai: ${i}, %ci: ${i}) { ` +
    `%nan = stablehlo.compare NE, %a, %a : (${v}, ${v}) -> tensor<i1> ` +
    `%far = stablehlo.compare ${direction}, %a, %c : (${v}, ${v}) -> tensor<i1> ` +
    `%better = stablehlo.or %far, %nan : tensor<i1> ` +
    `%same = stablehlo.compare EQ, %a, %c : (${v}, ${v}) -> tensor<i1> ` +
    `%low = stablehlo.compare LT, %ai, %ci : (${i}, ${i}) -> tensor<i1> ` +
    `%tie = stablehlo.and %same, %low : tensor<i1> ` +
    `%keep = stablehlo.or %better, %tie : tensor<i1> ` +
    `%v = stablehlo.select %better, %a, %c : tensor<i1>, ${v} ` +
    `%i = stablehlo.select %keep, %ai, %ci : tensor<i1>, ${i} ` +
    `stablehlo.return %v, %i : ${v}, ${i} }`;
  return body.emitOne(2, 1, text, node.shape, "i32");
}

function topK(body: Body, node: GraphNode, x: Value, k: number, which: 0 | 1): Value {
  const types = `(${typeText(node.shape, x.element)}, ${typeText(node.shape, "i32")})`;
  const text = `chlo.top_k(${x.name}, k = ${k}) : ${typeOf(x)} -> ${types}`;
  return body.emitOne(2, which, text, node.shape, which === 0 ? x.element : "i32");
}

/** A window as long as the axis, over an axis padded so that it sees what came before. */
function cumSum(body: Body, node: GraphNode<"CumSum">, [x]: readonly Value[]): Value {
  const { axis, exclusive, reverse } = node.attributes;
  const extent = x!.shape[axis]!;
  const window = x!.shape.map((_, k) => (k === axis ? extent : 1));
  const [near, far] = exclusive ? [extent, -1] : [extent - 1, 0];
  const pads = x!.shape.map((_, k) => (k !== axis ? [0, 0] : reverse ? [far, near] : [near, far]));
  const zero = scalar(body, x!.element, 0);
  const t = typeText([], x!.element);
  const text =
    `"stablehlo.reduce_window"(${x!.name}, ${zero.name}) <{padding = dense<${JSON.stringify(pads)}> : tensor<${pads.length}x2xi64>, ` +
    `window_dimensions = array<i64: ${window.join(", ")}>}> ({ ^bb0(%a: ${t}, %b: ${t}): %s = stablehlo.add %a, %b : ${t} stablehlo.return %s : ${t} })`;
  return typed(body, text, [x!, zero], node.shape, x!.element);
}

function matMul(body: Body, node: GraphNode<"MatMul">, operands: readonly Value[]): Value {
  const { transposeA, transposeB } = node.attributes;
  const half = body.bfloat16 || operands.some(({ element }) => element === "bf16");
  const [a, b] = operands.map((x) => (half ? convert(body, x, "bf16") : x)) as [Value, Value];
  const batch = node.shape.slice(0, -2);
  const rank = batch.length;
  const spread = (x: Value): Value => broadcast(body, x, [...batch, ...x.shape.slice(-2)]);
  // A product of a batch with one matrix is a product of the batch's rows: the matrix is not repeated.
  const oneMatrix = b.shape.slice(0, -2).every((extent) => extent === 1);
  if (rank > 0 && oneMatrix && !transposeA) {
    const matrix = reshape(body, b, b.shape.slice(-2));
    return dot(body, node, [spread(a), matrix], [], rank + 1, transposeB ? 1 : 0);
  }
  const [left, right] = [rank + (transposeA ? 0 : 1), rank + (transposeB ? 1 : 0)];
  return dot(body, node, [spread(a), spread(b)], range(rank), left, right);
}

/** Added in float32 whatever the operands are. Float32 operands are not rounded: GPUs and TPUs would, by default. */
function dot(
  body: Body,
  node: GraphNode,
  [a, b]: readonly [Value, Value],
  batching: readonly number[],
  left: number,
  right: number,
): Value {
  const dims = batching.length > 0 ? `batching_dims = ${list(batching)} x ${list(batching)}, ` : "";
  const precision = a.element === "f32" ? ", precision = [HIGHEST, HIGHEST]" : "";
  const text = `stablehlo.dot_general ${a.name}, ${b.name}, ${dims}contracting_dims = [${left}] x [${right}]${precision}`;
  return typed(body, text, [a, b], node.shape, "f32");
}
