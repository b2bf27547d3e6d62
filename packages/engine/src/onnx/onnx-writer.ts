import type { DType } from "../engine-types.ts";
import { bytesOf, sizeOf } from "../host-data.ts";
import { bytes, float, int, message, type Message } from "../protobuf.ts";

/** Element types of ONNX tensors. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
export const elementTypes = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, uint4: 21 } as const;

/** Element types that occur in a model. */
export type ElementType = keyof typeof elementTypes;

/** A node's attribute: integers, floats (as `{ float }`) or text. */
export type AttributeValue = number | readonly number[] | string | { readonly float: number };

/** Where a large initializer lives instead of in the model. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
}

/** Collects the nodes and initializers of one model. */
export interface OnnxWriter {
  /** Names the nodes that are emitted from now on; the runtime's errors and profiles say this name. */
  label(name: string): void;
  /** Adds a node and returns the name of its result. */
  emit(
    op: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    result?: string,
    domain?: string,
  ): string;
  /** Adds an initializer and returns its name. */
  initializer(
    name: string,
    type: ElementType,
    shape: readonly number[],
    data: ArrayBufferView | ExternalData,
  ): string;
  /** Like `initializer`, but only once for each name. */
  shared(name: string, type: ElementType, shape: readonly number[], data: ExternalData): string;
  /** The name of an int64 constant, shared between equal ones. */
  int64(values: readonly number[], shape?: readonly number[]): string;
  /** Adds a node with several results. */
  emitMany(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    results: readonly string[],
  ): void;
  /** The name of an int32 scalar constant, shared between equal ones. */
  int32(value: number): string;
  /** The name of a float32 scalar constant, shared between equal ones. */
  float32(value: number): string;
  /** The name of a float32 constant of ones, shared between equal ones. */
  ones(shape: readonly number[]): string;
  /** The finished model. */
  model(inputs: readonly Message[], outputs: readonly Message[]): Message;
}

/** Opset of the nodes that are emitted. */
const opset = 21;
/** IR version that belongs to it. */
const irVersion = 10;
/** Operators of ONNX Runtime outside the standard. */
export const contribDomain = "com.microsoft";

/** The description of a model's input or output. */
export function valueInfo(name: string, dtype: DType, shape: readonly number[]): Message {
  const dims = message(...shape.map((extent) => bytes(1, int(1, extent))));
  return message(bytes(1, name), bytes(2, bytes(1, message(int(1, elementTypes[dtype]), bytes(2, dims)))));
}

function attribute(name: string, value: AttributeValue): Message {
  if (typeof value === "number") return bytes(5, message(bytes(1, name), int(3, value), int(20, 2)));
  if (typeof value === "string") return bytes(5, message(bytes(1, name), bytes(4, value), int(20, 3)));
  if ("float" in value) return bytes(5, message(bytes(1, name), float(2, value.float), int(20, 1)));
  return bytes(5, message(bytes(1, name), ...value.map((x) => int(8, x)), int(20, 7)));
}

function tensorProto(
  name: string,
  type: ElementType,
  shape: readonly number[],
  data: ArrayBufferView | ExternalData,
): Message {
  const head = [...shape.map((extent) => int(1, extent)), int(2, elementTypes[type]), bytes(8, name)];
  if (ArrayBuffer.isView(data)) return message(...head, bytes(9, bytesOf(data)));
  const entries = Object.entries(data);
  const fields = entries.map(([key, value]) => bytes(13, message(bytes(1, key), bytes(2, String(value)))));
  return message(...head, ...fields, int(14, 1));
}

function nodeProto(
  label: string,
  op: string,
  inputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>>,
  results: readonly string[],
  domain: string,
): Message {
  const names = [...inputs.map((name) => bytes(1, name)), ...results.map((name) => bytes(2, name))];
  const fields = Object.entries(attributes).map(([name, value]) => attribute(name, value));
  const where = domain === "" ? [] : [bytes(7, domain)];
  return message(...names, bytes(3, label), bytes(4, op), ...fields, ...where);
}

/** An empty model. */
export function createOnnxWriter(): OnnxWriter {
  const nodes: Message[] = [];
  const initializers: Message[] = [];
  const shared = new Map<string, string>();
  let label = "result";
  const uses = new Map<string, number>();
  /** The runtime refuses two nodes of one name. */
  const uniqueLabel = (): string => {
    const count = uses.get(label) ?? 0;
    uses.set(label, count + 1);
    return count === 0 ? label : `${label}.${count}`;
  };
  const writer: OnnxWriter = {
    label(name) {
      label = name;
    },
    emit(op, inputs, attributes = {}, result = `t${nodes.length}`, domain = "") {
      nodes.push(nodeProto(uniqueLabel(), op, inputs, attributes, [result], domain));
      return result;
    },
    emitMany(op, inputs, attributes, results) {
      nodes.push(nodeProto(uniqueLabel(), op, inputs, attributes, results, ""));
    },
    initializer(name, type, shape, data) {
      initializers.push(tensorProto(name, type, shape, data));
      return name;
    },
    shared(name, type, shape, data) {
      if (!shared.has(name)) shared.set(name, writer.initializer(name, type, shape, data));
      return name;
    },
    int64(values, shape = [values.length]) {
      const name = `i${values.join("_")}s${shape.join("_")}`;
      if (!shared.has(name)) {
        shared.set(name, writer.initializer(name, "int64", shape, BigInt64Array.from(values, BigInt)));
      }
      return name;
    },
    int32(value) {
      const name = `n${value}`;
      if (!shared.has(name)) shared.set(name, writer.initializer(name, "int32", [], Int32Array.of(value)));
      return name;
    },
    float32(value) {
      const name = `f${value}`;
      if (!shared.has(name))
        shared.set(name, writer.initializer(name, "float32", [], Float32Array.of(value)));
      return name;
    },
    ones(shape) {
      const name = `ones${shape.join("_")}`;
      if (!shared.has(name)) {
        const data = new Float32Array(sizeOf(shape)).fill(1);
        shared.set(name, writer.initializer(name, "float32", shape, data));
      }
      return name;
    },
    model(inputs, outputs) {
      const graph = message(
        ...nodes.map((item) => bytes(1, item)),
        bytes(2, "recorded"),
        ...initializers.map((item) => bytes(5, item)),
        ...inputs.map((item) => bytes(11, item)),
        ...outputs.map((item) => bytes(12, item)),
      );
      const opsets = [message(int(2, opset)), message(bytes(1, contribDomain), int(2, 1))];
      return message(int(1, irVersion), bytes(7, graph), ...opsets.map((item) => bytes(8, item)));
    },
  };
  return writer;
}
