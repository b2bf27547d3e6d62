import { VlmR1Error } from "@vlmr1/core";
import type { DType, HostData } from "./engine-types.ts";
import { dtypeOf, sizeOf } from "./host-data.ts";

/** Checks that `data` has the type and number of elements of a tensor. Throws `VlmR1Error` `invalid-argument`. */
export function checkElements(what: string, data: HostData, shape: readonly number[], dtype: DType): void {
  if (dtypeOf(data) !== dtype) {
    throw new VlmR1Error(
      "invalid-argument",
      `${what} is ${dtype}; the data is ${dtypeOf(data)}. Convert it first.`,
    );
  }
  if (data.length !== sizeOf(shape)) {
    throw new VlmR1Error(
      "invalid-argument",
      `${what} has shape [${shape.join(", ")}], which is ${sizeOf(shape)} elements; the data has ${data.length}.`,
    );
  }
}
