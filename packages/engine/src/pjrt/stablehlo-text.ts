import type { DType, HostData } from "../engine-types.ts";
import { bytesOf, sizeOf } from "../host-data.ts";

/** Element types of StableHLO that are used here. */
export type Element = "f32" | "bf16" | "i32" | "i1" | "ui8" | "ui32";

/** Bytes of an element in a buffer. */
export const elementBytes = { f32: 4, bf16: 2, i32: 4, i1: 1, ui8: 1, ui32: 4 } as const satisfies Record<
  Element,
  number
>;

/** The element type of an engine type. */
export const elementOf = { float32: "f32", int32: "i32", bool: "i1" } as const satisfies Record<
  DType,
  Element
>;

/** A value of a function: its name in the text, and its type. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
  readonly element: Element;
}

/** The body of a function under construction. */
export interface Body {
  /** Multiply matrices in bfloat16, whatever the operands are. */
  readonly bfloat16: boolean;
  /** Lines of text, and for each the name of the node that it belongs to. */
  readonly lines: string[];
  readonly labels: string[];
  /** The name that the lines from here on belong to; errors of the compiler mention it. */
  label(name: string): void;
  /** Adds `%n = text`; the text ends with its type. */
  emit(text: string, shape: readonly number[], element: Element): Value;
  /** Adds an operation with several results, and gives result `which`. */
  emitOne(count: number, which: number, text: string, shape: readonly number[], element: Element): Value;
}

/** An empty body. */
export function newBody(bfloat16: boolean): Body {
  const lines: string[] = [];
  const labels: string[] = [];
  const known = new Map<string, string>();
  let current = "";
  const add = (text: string, count: number): string => {
    // Equal text is an equal value: constants and the broadcasts of them are many.
    const before = known.get(text);
    if (before) return before;
    const name = `%${lines.length}`;
    lines.push(`${count === 1 ? name : `${name}:${count}`} = ${text} loc("${current}")`);
    labels.push(current);
    known.set(text, name);
    return name;
  };
  return {
    bfloat16,
    lines,
    labels,
    label: (name) => void (current = name),
    emit: (text, shape, element) => ({ name: add(text, 1), shape, element }),
    emitOne: (count, which, text, shape, element) => ({
      name: `${add(text, count)}#${which}`,
      shape,
      element,
    }),
  };
}

/** `tensor<4x3xf32>` */
export function typeText(shape: readonly number[], element: Element): string {
  return `tensor<${shape.map((extent) => `${extent}x`).join("")}${element}>`;
}

/** The type of a value. */
export function typeOf(x: Value): string {
  return typeText(x.shape, x.element);
}

/** `[1, 2]` */
export function list(numbers: readonly number[]): string {
  return `[${numbers.join(", ")}]`;
}

/** `from, from + 1, ...`, `n` numbers. */
export function range(n: number, from = 0): number[] {
  return Array.from({ length: n }, (_, k) => from + k);
}

const names = (values: readonly Value[]): string => values.map(({ name }) => name).join(", ");
const sameShape = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();

/** An operation whose operands and result are of one type: `op %a, %b : type`. */
export function uniform(body: Body, op: string, x: readonly Value[]): Value {
  const { shape, element } = x[0]!;
  return body.emit(`stablehlo.${op} ${names(x)} : ${typeText(shape, element)}`, shape, element);
}

/** An operation `text : (types of operands) -> type`. */
export function typed(
  body: Body,
  text: string,
  x: readonly Value[],
  shape: readonly number[],
  element: Element,
): Value {
  return body.emit(`${text} : (${x.map(typeOf).join(", ")}) -> ${typeText(shape, element)}`, shape, element);
}

/** Numpy broadcasting: trailing axes are aligned. */
export function broadcast(body: Body, x: Value, shape: readonly number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  const axes = range(x.shape.length, shape.length - x.shape.length);
  return typed(body, `stablehlo.broadcast_in_dim ${x.name}, dims = ${list(axes)}`, [x], shape, x.element);
}

export function reshape(body: Body, x: Value, shape: readonly number[]): Value {
  return sameShape(x.shape, shape) ? x : typed(body, `stablehlo.reshape ${x.name}`, [x], shape, x.element);
}

export function convert(body: Body, x: Value, element: Element): Value {
  return x.element === element ? x : typed(body, `stablehlo.convert ${x.name}`, [x], x.shape, element);
}

/** `shape[k]` elements of every axis from `begin[k]`, `strides[k]` apart. */
export function slice(
  body: Body,
  x: Value,
  begin: readonly number[],
  shape: readonly number[],
  strides: readonly number[] = shape.map(() => 1),
): Value {
  const bounds = begin.map((start, k) => {
    const stride = strides[k]!;
    const end = start + (shape[k]! - 1) * stride + 1;
    return stride === 1 ? `${start}:${end}` : `${start}:${end}:${stride}`;
  });
  return typed(body, `stablehlo.slice ${x.name} [${bounds.join(", ")}]`, [x], shape, x.element);
}

export function concat(body: Body, parts: readonly Value[], axis: number): Value {
  const first = parts[0]!;
  if (parts.length === 1) return first;
  const shape = [...first.shape];
  shape[axis] = parts.reduce((total, part) => total + part.shape[axis]!, 0);
  return typed(body, `stablehlo.concatenate ${names(parts)}, dim = ${axis}`, parts, shape, first.element);
}

/** Permutes axes. */
export function transpose(body: Body, x: Value, perm: readonly number[]): Value {
  const shape = perm.map((axis) => x.shape[axis]!);
  const merged = mergeAxes(x.shape, perm);
  if (merged.perm.length > 5 && sizeOf(shape) <= 2 ** 16)
    return reshape(body, transposeByIndex(body, x, perm), shape);
  const narrow = reshape(body, x, merged.shape);
  const moved = merged.perm.map((axis) => merged.shape[axis]!);
  if (moved.length < 2) return reshape(body, x, shape);
  const text = `stablehlo.transpose ${narrow.name}, dims = ${list(merged.perm)}`;
  return reshape(body, typed(body, text, [narrow], moved, x.element), shape);
}

/** The same permutation over fewer axes: without unit axes, and with those joined that stay side by side. */
function mergeAxes(shape: readonly number[], perm: readonly number[]): { shape: number[]; perm: number[] } {
  const groups: number[][] = [];
  for (const axis of perm.filter((axis) => shape[axis] !== 1)) {
    const last = groups.at(-1)?.at(-1);
    const between = last === undefined ? [] : range(axis - last - 1, last + 1);
    if (last !== undefined && axis > last && between.every((k) => shape[k] === 1)) groups.at(-1)!.push(axis);
    else groups.push([axis]);
  }
  const order = [...groups].sort((a, b) => a[0]! - b[0]!);
  return {
    shape: order.map((axes) => axes.reduce((size, axis) => size * shape[axis]!, 1)),
    perm: groups.map((group) => order.indexOf(group)),
  };
}

/** A small tensor with many axes, looked up element by element: XLA for CPUs takes minutes to compile such a permutation. */
function transposeByIndex(body: Body, x: Value, perm: readonly number[]): Value {
  const size = sizeOf(x.shape);
  const strides = x.shape.map((_, axis) => sizeOf(x.shape.slice(axis + 1)));
  let from = [0];
  for (const axis of perm) {
    from = from.flatMap((start) => range(x.shape[axis]!).map((k) => start + k * strides[axis]!));
  }
  const indices = constant(body, "int32", [size, 1], Int32Array.from(from));
  const dims = "collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1";
  return gather(body, reshape(body, x, [size]), indices, dims, [1], [size]);
}

/** `dims` are the dimension numbers as StableHLO writes them. Starts outside are clamped. */
export function gather(
  body: Body,
  x: Value,
  indices: Value,
  dims: string,
  sizes: readonly number[],
  shape: readonly number[],
): Value {
  const text =
    `"stablehlo.gather"(${x.name}, ${indices.name}) <{dimension_numbers = #stablehlo.gather<${dims}>, ` +
    `indices_are_sorted = false, slice_sizes = array<i64: ${sizes.join(", ")}>}>`;
  return typed(body, text, [x, indices], shape, x.element);
}

/** Rows written (or added) at indices; those outside are dropped. */
export function scatter(
  body: Body,
  target: Value,
  indices: Value,
  rows: Value,
  dims: string,
  add: boolean,
): Value {
  const t = typeText([], target.element);
  const update = add
    ? `%s = stablehlo.add %a, %b : ${t} stablehlo.return %s : ${t}`
    : `stablehlo.return %b : ${t}`;
  const text =
    `"stablehlo.scatter"(${names([target, indices, rows])}) <{indices_are_sorted = false, ` +
    `scatter_dimension_numbers = #stablehlo.scatter<${dims}>, unique_indices = false}> ({ ^bb0(%a: ${t}, %b: ${t}): ${update} })`;
  return typed(body, text, [target, indices, rows], target.shape, target.element);
}

/** Reduces with an operation of two operands, and drops the axes. */
export function reduceAxes(body: Body, op: string, init: Value, x: Value, axes: readonly number[]): Value {
  const shape = x.shape.filter((_, axis) => !axes.includes(axis));
  const text = `stablehlo.reduce(${x.name} init: ${init.name}) applies stablehlo.${op} across dimensions = ${list(axes)}`;
  return typed(body, text, [x, init], shape, x.element);
}

/** `condition ? yes : no`, all of one shape. */
export function select(body: Body, condition: Value, yes: Value, no: Value): Value {
  const text = `stablehlo.select ${names([condition, yes, no])} : ${typeOf(condition)}, ${typeOf(yes)}`;
  return body.emit(text, yes.shape, yes.element);
}

/** `a EQ b`, `NE`, `LT`, `LE`, `GT` or `GE`, of one shape. */
export function compare(body: Body, direction: string, a: Value, b: Value): Value {
  return typed(body, `stablehlo.compare ${direction}, ${names([a, b])}`, [a, b], a.shape, "i1");
}

/** Rows written at `starts` (int32 `[rank]`), moved so that they fit. */
export function dynamicUpdateSlice(body: Body, target: Value, rows: Value, starts: Value): Value {
  const at = target.shape.map((_, axis) => reshape(body, slice(body, starts, [axis], [1]), []));
  const x = [target, convert(body, rows, target.element), ...at];
  return typed(body, `stablehlo.dynamic_update_slice ${names(x)}`, x, target.shape, target.element);
}

/** The part of a row that belongs to the processor that runs: as many parts as processors, one after another. */
export function ownPart(body: Body, row: Value, length: number): Value {
  const id = convert(body, body.emit("stablehlo.replica_id : tensor<ui32>", [], "ui32"), "i32");
  const start = uniform(body, "multiply", [id, scalar(body, "i32", length)]);
  const text = `stablehlo.dynamic_slice ${row.name}, ${start.name}, sizes = [${length}]`;
  return typed(body, text, [row, start], [length], row.element);
}

/** A scalar. */
export function scalar(body: Body, element: Element, x: number): Value {
  return body.emit(
    `stablehlo.constant dense<${scalarText(element, x)}> : ${typeText([], element)}`,
    [],
    element,
  );
}

/** A scalar under a shape. */
export function filled(body: Body, element: Element, x: number, shape: readonly number[]): Value {
  return broadcast(body, scalar(body, element, x), shape);
}

function scalarText(element: Element, x: number): string {
  if (element === "i1") return x === 0 ? "false" : "true";
  if (element === "i32" || element === "ui8" || element === "ui32") return String(x);
  // The bits, most significant byte first: exact, and the only way to write infinities.
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0]!;
  const digits = bits.toString(16).toUpperCase().padStart(8, "0");
  return `0x${element === "bf16" ? digits.slice(0, 4) : digits}`;
}

/** A constant of any data, its bytes in hexadecimal. */
export function constant(body: Body, dtype: DType, shape: readonly number[], data: HostData): Value {
  if (data.length === 1) return reshape(body, scalar(body, elementOf[dtype], data[0]!), shape);
  // The byte form of booleans differs between versions of MLIR: bytes that are converted do not.
  const element = dtype === "bool" ? "ui8" : elementOf[dtype];
  const text = data.length === 0 ? "" : `"0x${Buffer.from(bytesOf(data)).toString("hex").toUpperCase()}"`;
  const value = body.emit(`stablehlo.constant dense<${text}> : ${typeText(shape, element)}`, shape, element);
  return convert(body, value, elementOf[dtype]);
}
