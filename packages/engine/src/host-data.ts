import type { DType, HostData } from "./engine-types.ts";
import type { Precision } from "./precision.ts";

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  return dtype === "bool" ? 1 : 4;
}

/** Zeros in host memory. */
export function allocate(dtype: DType, size: number): HostData {
  if (dtype === "float32") return new Float32Array(size);
  return dtype === "int32" ? new Int32Array(size) : new Uint8Array(size);
}

/** The element type that an array stands for. */
export function dtypeOf(data: HostData): DType {
  if (data instanceof Float32Array) return "float32";
  return data instanceof Int32Array ? "int32" : "bool";
}

/** The bytes of an array, not copied. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Type (or how it is stored) and shape in one word, for example `float32[4,3]` or `int8[64,32]`. */
export function signatureOf(dtype: DType | Precision, shape: readonly number[]): string {
  return `${dtype}[${shape.join(",")}]`;
}
