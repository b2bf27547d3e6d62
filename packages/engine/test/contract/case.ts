import type * as tf from "@tensorflow/tfjs";
import type { DType, HostData } from "../../src/index.ts";

/** An operand of a case. */
export interface Operand {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: HostData;
}

/** A function of tensors and what to call it with. `differentiable` operands are those of type float32. */
export interface ContractCase {
  readonly name: string;
  // Operands are given as data, so that the types of TensorFlow.js's overloads do not matter here.
  readonly fn: (...tensors: never[]) => tf.Tensor | tf.Tensor[];
  readonly operands: readonly Operand[];
  /** Compare gradients too. Default: true when an operand is float32. */
  readonly gradient?: boolean;
  /** Largest allowed |difference| / max(1, max |value|). Default 2e-6. */
  readonly tolerance?: number;
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

let nextSeed = 1;
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Numbers between `low` and `high`. */
export function float(shape: readonly number[], low = -2, high = 2): Operand {
  const random = generator(nextSeed++);
  const data = Float32Array.from({ length: size(shape) }, () => low + (high - low) * random());
  return { dtype: "float32", shape, data };
}

/** Given numbers. */
export function floats(...values: number[]): Operand {
  return { dtype: "float32", shape: [values.length], data: Float32Array.from(values) };
}

/** Integers from `low` up to, but not including, `high`. */
export function integer(shape: readonly number[], high = 5, low = 0): Operand {
  const random = generator(nextSeed++);
  const data = Int32Array.from({ length: size(shape) }, () => low + Math.floor(random() * (high - low)));
  return { dtype: "int32", shape, data };
}

/** Given integers. */
export function integers(...values: number[]): Operand {
  return { dtype: "int32", shape: [values.length], data: Int32Array.from(values) };
}

/** Truth values. */
export function bool(shape: readonly number[]): Operand {
  const random = generator(nextSeed++);
  return {
    dtype: "bool",
    shape,
    data: Uint8Array.from({ length: size(shape) }, () => Number(random() < 0.5)),
  };
}

/** A case. */
export function check(
  name: string,
  fn: ContractCase["fn"],
  operands: readonly Operand[],
  options: Pick<ContractCase, "gradient" | "tolerance"> = {},
): ContractCase {
  return { name, fn, operands, ...options };
}
