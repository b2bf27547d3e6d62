import type { Device } from "./device/device.ts";
import { viewOf } from "./device/view.ts";
import { deviceTensor } from "./device-tensor.ts";
import type { Packed, PackedViews, ShapeTree } from "./engine-types.ts";
import { checkElements } from "./check-elements.ts";
import { sizeOf } from "./host-data.ts";
import { mapLeaves, visitLeaves } from "./tree.ts";

const isShape = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((extent) => typeof extent === "number");

/** One float32 buffer with a view for each shape of a tree. */
export function pack<const S extends ShapeTree>(device: Device, shapes: S, data?: Float32Array): Packed<S> {
  let size = 0;
  visitLeaves(shapes, isShape, (shape) => (size += sizeOf(shape as readonly number[])));
  if (data) checkElements("The packed buffer", data, [size], "float32");
  const storage = data ? device.store(data) : device.zeros("float32", size);
  const flat = deviceTensor(device, viewOf(storage, [size]));
  let offset = 0;
  const views = mapLeaves(shapes, isShape, (leaf) => {
    const shape = [...(leaf as readonly number[])];
    const view = viewOf(storage, shape, offset);
    offset += view.size;
    return deviceTensor(device, view);
  });
  return { flat, views: views as PackedViews<S> };
}
