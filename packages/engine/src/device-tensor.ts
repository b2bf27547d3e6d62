import { VlmR1Error } from "@vlmr1/core";
import type { Device, TensorView } from "./device/device.ts";
import { viewBytes, viewOf } from "./device/view.ts";
import type { DeviceTensor, HostData } from "./engine-types.ts";
import { dtypeOf, sizeOf } from "./host-data.ts";

interface Hidden {
  readonly device: Device;
  readonly view: TensorView;
}

const hidden = new WeakMap<object, Hidden>();

/** Whether a value is a device tensor of any engine. */
export function isDeviceTensor(value: unknown): value is DeviceTensor {
  return typeof value === "object" && value !== null && hidden.has(value);
}

/** The view behind a device tensor of `device`. Throws `VlmR1Error` for disposed tensors and those of another engine. */
export function viewBehind(tensor: DeviceTensor, device: Device): TensorView {
  const found = hidden.get(tensor);
  if (!found || found.device !== device) {
    throw new VlmR1Error(
      "invalid-argument",
      "A tensor belongs to another engine. Read it there and upload it here.",
    );
  }
  if (found.view.disposed) {
    throw new VlmR1Error(
      "invalid-argument",
      `A disposed tensor of shape [${tensor.shape.join(", ")}] was used.`,
    );
  }
  return found.view;
}

/** The tensor of a view. */
export function deviceTensor(device: Device, view: TensorView): DeviceTensor {
  const alive = (): TensorView => viewBehind(tensor, device);
  const tensor: DeviceTensor = {
    shape: view.shape,
    dtype: view.dtype,
    size: view.size,
    precision: view.precision,
    bytes: viewBytes(view),
    read: async () => device.read(alive()),
    write(data, offset = 0) {
      checkWrite(alive(), data, offset);
      device.write(view, data, offset);
    },
    reshape(shape) {
      if (sizeOf(shape) !== view.size) {
        throw new VlmR1Error(
          "invalid-argument",
          `Cannot see [${view.shape.join(", ")}] as [${shape.join(", ")}]: ${view.size} and ${sizeOf(shape)} elements.`,
        );
      }
      checkFloats(view, "seen under another shape");
      return deviceTensor(device, viewOf(alive().storage, [...shape], view.offset));
    },
    dispose: () => disposeView(device, view),
  };
  hidden.set(tensor, { device, view });
  return tensor;
}

/** Gives up one reference; the storage goes with the last. */
export function disposeView(device: Device, view: TensorView): void {
  if (view.disposed) return;
  view.disposed = true;
  view.native = undefined;
  view.storage.references -= 1;
  if (view.storage.references === 0) device.free(view.storage);
}

function checkFloats({ precision, shape }: TensorView, what: string): void {
  if (precision === "float32") return;
  throw new VlmR1Error(
    "invalid-argument",
    `A tensor [${shape.join(", ")}] that is stored as ${precision} cannot be ${what}: its elements are frozen. Keep it in float32.`,
  );
}

function checkWrite(view: TensorView, data: HostData, offset: number): void {
  checkFloats(view, "written");
  if (dtypeOf(data) !== view.dtype) {
    throw new VlmR1Error(
      "invalid-argument",
      `Cannot write ${dtypeOf(data)} elements into a ${view.dtype} tensor.`,
    );
  }
  if (!Number.isInteger(offset) || offset < 0 || offset + data.length > view.size) {
    throw new VlmR1Error(
      "invalid-argument",
      `Cannot write ${data.length} elements at ${offset} into a tensor of ${view.size} elements.`,
    );
  }
}
