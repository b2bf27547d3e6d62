import { signatureOf, sizeOf } from "../host-data.ts";
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
    signature: signatureOf(storage.dtype, shape),
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
