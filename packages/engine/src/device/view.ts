import { bytesPerElement, signatureOf, sizeOf } from "../host-data.ts";
import { bytesPerBlock, blockLength } from "../precision.ts";
import type { Storage, TensorView } from "./device.ts";

let nextId = 1;

/** A view of a storage; counts as one reference to it. */
export function viewOf(storage: Storage, shape: readonly number[], offset = 0): TensorView {
  storage.references += 1;
  return {
    id: nextId++,
    storage,
    offset,
    shape,
    dtype: storage.dtype,
    size: sizeOf(shape),
    precision: storage.precision ?? "float32",
    signature: signatureOf(storage.precision ?? storage.dtype, shape),
    disposed: false,
  };
}

/** Whether two views share memory. */
export function overlaps(a: TensorView, b: TensorView): boolean {
  return a.storage === b.storage && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/** Whether two views are the same elements. */
export function coincides(a: TensorView, b: TensorView): boolean {
  return a.storage === b.storage && a.offset === b.offset && a.size === b.size;
}

/** Bytes that the elements of a view take on the device. */
export function viewBytes({ precision, dtype, size, shape }: TensorView): number {
  if (precision === "float32") return size * bytesPerElement(dtype);
  if (precision === "bfloat16") return size * 2;
  const [rows, columns] = shape as readonly [number, number];
  return rows * Math.ceil(columns / blockLength) * bytesPerBlock(precision);
}
