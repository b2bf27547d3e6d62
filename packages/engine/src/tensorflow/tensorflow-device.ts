import type { Device, Effort, LoadRequest, Program, Storage, TensorView } from "../device/device.ts";
import { layoutOf } from "../device/layout.ts";
import { viewOf } from "../device/view.ts";
import type { DType, HostData } from "../engine-types.ts";
import { liveNodes } from "../graph/node.ts";
import { allocate } from "../host-data.ts";
import { explainRunError } from "../record/explain.ts";
import { openTensorFlow, type Pointer, type TensorFlow } from "./c-api.ts";
import { findTensorFlow } from "./find-library.ts";
import { functionGraph, type FunctionGraph } from "./function-graph.ts";

/** A row on the device, or in host memory while it is being written part by part. */
interface DeviceStorage extends Storage {
  readonly box: { handle: Pointer };
  host: HostData | undefined;
}

/** The device that computes with libtensorflow, on a GPU when the library has one. */
export function createTensorFlowDevice(folder: string | undefined, threads: number): Device {
  const library = findTensorFlow(folder);
  const tensorflow = openTensorFlow(library, threads);
  const abandoned = new FinalizationRegistry<{ handle: Pointer }>((box) => release(tensorflow, box));
  const create = (dtype: DType, length: number, handle: Pointer, host?: HostData): DeviceStorage => {
    const storage: DeviceStorage = { dtype, length, references: 0, box: { handle }, host };
    abandoned.register(storage, storage.box, storage.box);
    return storage;
  };
  const device: Device = {
    kind: "tensorflow",
    runtime: `TensorFlow ${tensorflow.version}`,
    library: library.folder,
    processors: tensorflow.devices,
    threads,
    bakes: false,
    store: (data) => create(dtypeOf(data), data.length, tensorflow.upload(data)),
    zeros: (dtype, length) => create(dtype, length, null, allocate(dtype, length)),
    read: async (view) => read(tensorflow, view),
    write: (view, data, offset) => write(tensorflow, view, data, offset),
    free(storage) {
      const { box } = storage as DeviceStorage;
      abandoned.unregister(box);
      (storage as DeviceStorage).host = undefined;
      release(tensorflow, box);
    },
    load: (request) => loadProgram(tensorflow, create, request),
    dispose: () => Promise.resolve(),
  };
  return device;
}

function dtypeOf(data: HostData): DType {
  return data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "bool";
}

function release(tensorflow: TensorFlow, box: { handle: Pointer }): void {
  if (box.handle !== null) tensorflow.free(box.handle);
  box.handle = null;
}

function hostOf(tensorflow: TensorFlow, storage: DeviceStorage): HostData {
  return storage.host ?? tensorflow.download(storage.box.handle, storage.dtype);
}

function read(tensorflow: TensorFlow, view: TensorView): HostData {
  const row = hostOf(tensorflow, view.storage as DeviceStorage);
  return row.slice(view.offset, view.offset + view.size);
}

function write(tensorflow: TensorFlow, view: TensorView, data: HostData, offset: number): void {
  const storage = view.storage as DeviceStorage;
  storage.host ??= hostOf(tensorflow, storage); // sent to the device when it is used next
  storage.host.set(data, view.offset + offset);
}

function handleOf(tensorflow: TensorFlow, storage: DeviceStorage): Pointer {
  if (storage.host) {
    release(tensorflow, storage.box);
    storage.box.handle = tensorflow.upload(storage.host);
    storage.host = undefined;
  }
  return storage.box.handle;
}

interface Variant {
  readonly name: string;
  readonly graph: FunctionGraph;
}

let nextFunction = 1;

async function loadProgram(
  tensorflow: TensorFlow,
  create: (dtype: DType, length: number, handle: Pointer) => DeviceStorage,
  request: LoadRequest,
): Promise<Program> {
  const { graph, xla, bfloat16 } = request;
  const variants = new Map<string, Variant>();
  const operations = liveNodes(graph.outputs).filter(({ op }) => op !== "Input" && op !== "Const").length;
  const effort: Effort = { emitMs: 0, loadMs: 0, compiled: 0, loaded: 0 };
  const variantFor = (inputs: readonly TensorView[], targets: readonly (TensorView | undefined)[]) => {
    const { layout, storages, key } = layoutOf(inputs, targets);
    let variant = variants.get(key);
    if (!variant) {
      const started = performance.now();
      variant = { name: `vlmr1_${nextFunction++}`, graph: functionGraph(graph, layout, { xla, bfloat16 }) };
      effort.emitMs += performance.now() - started;
      tensorflow.define(variant.name, variant.graph.bytes, variant.graph.inputs, variant.graph.outputs);
      effort.loadMs += performance.now() - started;
      effort.compiled += 1;
      variants.set(key, variant);
    }
    return { variant, storages };
  };
  const call = async (
    { name, graph: { outputs } }: Variant,
    handles: readonly Pointer[],
  ): Promise<Pointer[]> => {
    try {
      return await tensorflow.call(name, handles, outputs.length, xla);
    } catch (error) {
      throw explainRunError(error, request);
    }
  };
  return {
    operations,
    effort,
    async run(inputs, targets) {
      const { variant, storages } = variantFor(inputs, targets);
      const { usedRows, produced } = variant.graph;
      const handles = usedRows.map((row) => handleOf(tensorflow, storages[row] as DeviceStorage));
      const results = await call(variant, handles);
      const views: TensorView[] = targets.map((target) => target!);
      produced.forEach((what, index) => {
        const handle = results[index]!;
        if ("result" in what) {
          const { dtype, shape } = graph.outputs[what.result]!;
          const size = shape.reduce((a, b) => a * b, 1);
          views[what.result] = viewOf(create(dtype, size, handle), shape);
          return;
        }
        const storage = storages[what.row] as DeviceStorage;
        storage.host = undefined;
        release(tensorflow, storage.box);
        storage.box.handle = handle;
      });
      return views;
    },
    async release() {
      for (const { name } of variants.values()) tensorflow.undefine(name);
      variants.clear();
    },
  };
}
