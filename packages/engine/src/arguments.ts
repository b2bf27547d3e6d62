import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import type { Device, TensorView } from "./device/device.ts";
import { viewOf } from "./device/view.ts";
import { isDeviceTensor, viewBehind } from "./device-tensor.ts";
import type { CompileOptions, HostData } from "./engine-types.ts";
import { mapLeaves } from "./tree.ts";

/** The tensors of a call in order, and everything that decides which program serves it. */
export interface FlatArguments {
  readonly key: string;
  /** Tensors that the program is fed or that are baked into it, in tree order. */
  readonly views: readonly TensorView[];
  /** Position in `views` where each argument begins; one entry more than arguments. */
  readonly starts: readonly number[];
  /** Views of this call only: uploads of numbers and TensorFlow.js tensors. */
  readonly temporary: readonly TensorView[];
}

const isLeaf = (value: unknown): boolean => isDeviceTensor(value) || value instanceof tf.Tensor;

/** Copies a TensorFlow.js tensor, or wraps a number, as a storage of the device. */
export function upload(device: Device, value: tf.Tensor | number): TensorView {
  if (typeof value === "number") return viewOf(device.store(Float32Array.of(value)), []);
  const { dtype } = value;
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
    throw new VlmR1Error(
      "unsupported",
      `A ${dtype} tensor cannot be an argument. Use float32, int32 or bool.`,
    );
  }
  const data = value.dataSync() as HostData;
  return viewOf(device.store(data.slice()), [...value.shape]);
}

/** Flattens the arguments of a call. Throws `VlmR1Error` for what is neither a tensor nor declared static. */
export function flattenArguments(
  device: Device,
  args: readonly unknown[],
  options: CompileOptions,
): FlatArguments {
  const views: TensorView[] = [];
  const temporary: TensorView[] = [];
  const starts: number[] = [];
  let key = "";
  const visit = (value: unknown, pinned: boolean): void => {
    if (typeof value === "object" && value !== null && !isLeaf(value)) {
      key += Array.isArray(value) ? "[" : "{";
      for (const name in value) {
        key += `${name}:`;
        visit((value as Record<string, unknown>)[name], pinned);
      }
      key += "}";
      return;
    }
    if (value === undefined || value === null) {
      key += "-;";
      return;
    }
    const view = leafView(device, value, temporary);
    views.push(view);
    key += pinned || view.storage.builtIn === true ? `${view.signature}#${view.id};` : `${view.signature};`;
  };
  args.forEach((argument, position) => {
    starts.push(views.length);
    if (options.static?.includes(position)) key += `${JSON.stringify(argument)};`;
    else visit(argument, device.bakes && (options.constant?.includes(position) ?? false));
  });
  starts.push(views.length);
  return { key, views, starts, temporary };
}

function leafView(device: Device, value: unknown, temporary: TensorView[]): TensorView {
  if (isDeviceTensor(value)) return viewBehind(value, device);
  if (typeof value === "number" || value instanceof tf.Tensor) {
    const view = upload(device, value);
    temporary.push(view);
    return view;
  }
  throw new VlmR1Error(
    "invalid-argument",
    `An argument of a compiled function is a ${typeof value} (${String(value).slice(0, 40)}). ` +
      "Pass tensors or numbers; list the positions of other arguments in the option `static`.",
  );
}

/** Stands for a tensor in the skeleton of a call. */
const hole = Symbol("tensor");

/** The arguments of a call with the tensors taken out: what recording again needs, without keeping memory alive. */
export function skeletonOf(args: readonly unknown[], options: CompileOptions): readonly unknown[] {
  return args.map((argument, position) =>
    options.static?.includes(position) ? argument : mapLeaves(argument, isLeaf, () => hole),
  );
}

/** The arguments as the recorded function takes them: `next` gives the tensors in order. */
export function fillSkeleton(
  skeleton: readonly unknown[],
  options: CompileOptions,
  next: () => tf.Tensor,
): unknown[] {
  return skeleton.map((argument, position) =>
    options.static?.includes(position)
      ? argument
      : mapLeaves(
          argument,
          (value) => value === hole,
          () => next(),
        ),
  );
}
