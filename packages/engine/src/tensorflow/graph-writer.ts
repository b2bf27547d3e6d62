import type { DType, HostData } from "../engine-types.ts";
import { bytesOf } from "../host-data.ts";
import { bytes, encode, int, message, type Message } from "../protobuf.ts";
import { dataTypes } from "./c-api.ts";

/** Element types inside TensorFlow graphs. */
export type GraphType = DType | "bfloat16";

/** AttrValue messages. https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/attr_value.proto */
export const attribute = {
  type: (dtype: GraphType): Message => int(6, dataTypes[dtype]),
  types: (dtypes: readonly GraphType[]): Message =>
    bytes(1, message(...dtypes.map((dtype) => int(6, dataTypes[dtype])))),
  bool: (value: boolean): Message => int(5, Number(value)),
  int: (value: number): Message => int(3, value),
  shape: (shape: readonly number[]): Message => bytes(7, shapeProto(shape)),
  tensor: (dtype: DType, shape: readonly number[], data: HostData): Message =>
    bytes(8, message(int(1, dataTypes[dtype]), bytes(2, shapeProto(shape)), bytes(4, bytesOf(data)))),
} as const;

function shapeProto(shape: readonly number[]): Message {
  return message(...shape.map((extent) => bytes(2, int(1, extent))));
}

/** Attributes of a node by name. */
export type Attributes = Readonly<Record<string, Message>>;

/** Collects the nodes of one GraphDef. */
export interface GraphWriter {
  /** Adds a node and returns its name. Inputs that start with `^` are control dependencies. */
  emit(op: string, name: string, inputs: readonly string[], attributes?: Attributes): string;
  /** The name of an int32 constant, shared between equal ones. */
  int32(values: readonly number[], shape?: readonly number[]): string;
  /** The GraphDef. */
  finish(): Uint8Array;
}

/** Graphs made for this producer version mean the same in every later release. */
const producer = 1882;

/** An empty graph. */
export function createGraphWriter(): GraphWriter {
  const nodes: Message[] = [];
  const shared = new Map<string, string>();
  const writer: GraphWriter = {
    emit(op, name, inputs, attributes = {}) {
      const fields = Object.entries(attributes).map(([key, value]) =>
        bytes(5, message(bytes(1, key), bytes(2, value))),
      );
      nodes.push(
        bytes(1, message(bytes(1, name), bytes(2, op), ...inputs.map((input) => bytes(3, input)), ...fields)),
      );
      return name;
    },
    int32(values, shape = [values.length]) {
      const name = `i${values.join("_").replaceAll("-", "m")}s${shape.join("_")}`;
      if (!shared.has(name)) {
        const value = attribute.tensor("int32", shape, Int32Array.from(values));
        shared.set(name, writer.emit("Const", name, [], { dtype: attribute.type("int32"), value }));
      }
      return name;
    },
    finish: () => encode(message(...nodes, bytes(4, int(1, producer)))),
  };
  return writer;
}
