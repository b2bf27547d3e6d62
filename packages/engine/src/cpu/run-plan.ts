import { Tensor } from "onnxruntime-common";
import type { Storage, TensorView } from "../device/device.ts";
import { coincides, viewOf } from "../device/view.ts";
import type { DType, HostData } from "../engine-types.ts";
import { allocate, dtypeOf, sizeOf } from "../host-data.ts";
import { writeRows, type OutputPlan } from "./cpu-plan.ts";
import type { OnnxSession } from "./onnx-runtime.ts";

/** A row of elements in host memory. */
export interface HostStorage extends Storage {
  data: HostData;
}

/** Wraps an array as a storage; nothing is copied. */
export function hostStorage(data: HostData): HostStorage {
  return { dtype: dtypeOf(data), length: data.length, references: 0, data };
}

/** The elements of a view, not copied. */
export function hostDataOf(view: TensorView): HostData {
  const { data } = view.storage as HostStorage;
  return view.size === data.length ? data : data.subarray(view.offset, view.offset + view.size);
}

function nativeOf(view: TensorView): Tensor {
  view.native ??= new Tensor(view.dtype as "float32", hostDataOf(view) as Float32Array, view.shape);
  return view.native as Tensor;
}

/** A loaded model and how the results of the function follow from its outputs. */
export interface LoadedModel {
  readonly session: OnnxSession | undefined;
  /** Indices of the inputs that are fed. */
  readonly fed: readonly number[];
  readonly outputs: readonly OutputPlan[];
}

/**
 * Runs a model once per call. `direct[i]` says that output i may be computed straight into its target; the others are
 * copied after the run, when every input has been read.
 */
export type ModelRunner = (
  inputs: readonly TensorView[],
  targets: readonly (TensorView | undefined)[],
  direct: readonly boolean[],
) => Promise<TensorView[]>;

/** The runner of a model. */
export function modelRunner({ session, fed, outputs }: LoadedModel): ModelRunner {
  const inputNames = fed.map((index) => `x${index}`);
  const fetched = outputs.flatMap((output) =>
    output.kind === "fetch" ? [output.fetch] : output.kind === "update" ? startFetches(output) : [],
  );
  const outputNames = fetched.map((index) => `y${index}`);
  return async (inputs, targets, direct) => {
    const feeds: Record<string, Tensor> = {};
    fed.forEach((index, k) => (feeds[inputNames[k]!] = nativeOf(inputs[index]!)));
    const fetches: Record<string, Tensor | null> = {};
    for (const name of outputNames) fetches[name] = null;
    outputs.forEach((output, index) => {
      if (direct[index] && output.kind === "fetch") fetches[`y${output.fetch}`] = nativeOf(targets[index]!);
    });
    const values = session ? await session.run(feeds, fetches) : {};
    const dataOf = (fetch: number): HostData => (values[`y${fetch}`] as Tensor).data as HostData;
    return outputs.map((output, index) =>
      finish(output, { target: targets[index], direct: direct[index]!, inputs, dataOf }),
    );
  };
}

function startFetches(output: OutputPlan & { kind: "update" }): number[] {
  return "fetch" in output.starts ? [output.rows, output.starts.fetch] : [output.rows];
}

interface Finish {
  readonly target: TensorView | undefined;
  readonly direct: boolean;
  readonly inputs: readonly TensorView[];
  readonly dataOf: (fetch: number) => HostData;
}

function fresh(dtype: DType, shape: readonly number[]): TensorView {
  return viewOf(hostStorage(allocate(dtype, sizeOf(shape))), shape);
}

function finish(output: OutputPlan, { target, direct, inputs, dataOf }: Finish): TensorView {
  if (output.kind === "empty") return target ?? fresh(output.dtype, output.shape);
  if (output.kind === "fetch") {
    if (!target) return viewOf(hostStorage(dataOf(output.fetch)), output.shape);
    if (!direct) hostDataOf(target).set(dataOf(output.fetch));
    return target;
  }
  const source = inputs[output.target]!;
  const result = target ?? fresh(output.dtype, output.shape);
  if (!coincides(result, source)) hostDataOf(result).set(hostDataOf(source));
  const starts =
    "input" in output.starts ? hostDataOf(inputs[output.starts.input]!) : dataOf(output.starts.fetch);
  writeRows(hostDataOf(result), output.shape, dataOf(output.rows), output.rowShape, starts);
  return result;
}
