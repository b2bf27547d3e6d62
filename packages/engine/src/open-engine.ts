import { availableParallelism, totalmem } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import { upload } from "./arguments.ts";
import { compileFunction, describeEntry, type CompileContext } from "./compile.ts";
import { createCpuDevice } from "./cpu/cpu-device.ts";
import { createWorkerDevice } from "./cpu/worker-device.ts";
import type { Device, Storage } from "./device/device.ts";
import { viewOf } from "./device/view.ts";
import { dumpInto } from "./dump.ts";
import { deviceTensor } from "./device-tensor.ts";
import type {
  DeviceKind,
  DeviceTensor,
  Engine,
  EngineDescription,
  EngineOptions,
  HostData,
} from "./engine-types.ts";
import { checkElements } from "./check-elements.ts";
import { dtypeOf, sizeOf } from "./host-data.ts";
import { pack } from "./pack.ts";
import { narrow, widen, type Narrow, type Precision } from "./precision.ts";
import { createProgramCache } from "./program-cache.ts";

/**
 * Opens a device for compiled functions.
 *
 * @throws VlmR1Error `unavailable` when the device's library is not there; the message says what to install.
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const threads = options.threads ?? availableParallelism();
  if (!Number.isInteger(threads) || threads < 1) {
    throw new VlmR1Error("invalid-argument", `threads must be a positive integer; got ${threads}.`);
  }
  const device = await openDevice(options, threads);
  const programs = createProgramCache(options.memoryLimit ?? totalmem() / 2);
  let tail: Promise<unknown> = Promise.resolve();
  let disposed = false;
  const context: CompileContext = {
    device,
    programs,
    captureLimit: options.captureLimit ?? 1024,
    xla: options.xla ?? false,
    bfloat16: options.bfloat16 ?? false,
    dump: options.dump === undefined ? undefined : dumpInto(options.dump),
    enqueue(task) {
      if (disposed) return Promise.reject(new VlmR1Error("invalid-argument", "This engine is disposed."));
      const result = tail.then(task);
      tail = result.catch(() => undefined); // a failed call does not stop the next
      return result;
    },
  };
  return {
    device: device.kind,
    tensor: (
      data: HostData | tf.Tensor | number | Narrow,
      shape?: readonly number[],
      precision?: Precision,
    ) => makeTensor(device, data, shape, precision),
    zeros: (shape, dtype = "float32") =>
      deviceTensor(device, viewOf(device.zeros(dtype, sizeOf(shape)), [...shape])),
    pack: (shapes, data) => pack(device, shapes, data),
    compile: (fn, compileOptions = {}) => compileFunction(context, fn, compileOptions),
    describe: () => describe(context, options),
    async dispose() {
      if (disposed) return;
      await context.enqueue(() => programs.release());
      disposed = true;
      await device.dispose();
    },
  };
}

async function openDevice(options: EngineOptions, threads: number): Promise<Device> {
  refuseForeignOptions(options);
  if (options.device === "pjrt") {
    const { createPjrtDevice } = await import("./pjrt/pjrt-device.ts");
    const { findPlugin } = await import("./pjrt/find-plugin.ts");
    const { plugin, pluginOptions = {}, pluginFolders: folders, replicas = 1, programFolder } = options;
    const found = findPlugin({ plugin, options: pluginOptions, folders });
    return createPjrtDevice({ plugin: found, threads, replicas, programFolder });
  }
  if (options.device !== "tensorflow")
    return options.worker ? createWorkerDevice(threads) : createCpuDevice(threads);
  // Imported here, so that nobody who computes on the cpu loads the foreign-function library.
  const { createTensorFlowDevice } = await import("./tensorflow/tensorflow-device.ts");
  return createTensorFlowDevice(options.library, threads);
}

function makeTensor(
  device: Device,
  data: HostData | tf.Tensor | number | Narrow,
  shape?: readonly number[],
  precision: Precision = "float32",
): DeviceTensor {
  if (isNarrow(data)) return deviceTensor(device, viewOf(storeNarrow(device, data), [...data.shape]));
  if (data instanceof tf.Tensor && precision !== "float32")
    return makeTensor(device, data.dataSync() as HostData, shape ?? data.shape, precision);
  if (typeof data === "number" || data instanceof tf.Tensor) {
    const whole = deviceTensor(device, upload(device, data));
    return shape ? whole.reshape(shape) : whole;
  }
  const extents = shape ? [...shape] : [data.length];
  checkElements("The tensor", data, extents, dtypeOf(data));
  if (precision === "float32") return deviceTensor(device, viewOf(device.store(data), extents));
  checkElements(`A tensor to store as ${precision}`, data, extents, "float32");
  return makeTensor(device, narrow(data as Float32Array, extents, precision));
}

function storeNarrow(device: Device, elements: Narrow): Storage {
  return device.storeNarrow?.(elements) ?? device.store(widen(elements));
}

function isNarrow(data: HostData | tf.Tensor | number | Narrow): data is Narrow {
  return typeof data === "object" && "codes" in data;
}

function describe(
  { device, programs, xla, bfloat16 }: CompileContext,
  options: EngineOptions,
): EngineDescription {
  const effort = programs.effort();
  return {
    device: device.kind,
    runtime: device.runtime,
    library: device.library,
    processors: device.processors,
    threads: device.threads,
    worker: options.worker ?? false,
    xla,
    bfloat16,
    replicas: device.replicas ?? 1,
    memory: device.memory?.(),
    compilation: {
      compiled: effort.compiled,
      loaded: effort.loaded,
      seconds: (effort.emitMs + effort.loadMs) / 1000,
    },
    programs: programs.entries().map(describeEntry),
  };
}

/** Options of one device are errors on another: they would silently do nothing. */
const ownOptions = {
  worker: ["cpu"],
  plugin: ["pjrt"],
  pluginOptions: ["pjrt"],
  pluginFolders: ["pjrt"],
  programFolder: ["pjrt"],
  replicas: ["pjrt"],
  library: ["tensorflow"],
  xla: ["tensorflow"],
  bfloat16: ["pjrt", "tensorflow"],
} as const satisfies Partial<Record<keyof EngineOptions, readonly DeviceKind[]>>;

function refuseForeignOptions(options: EngineOptions): void {
  const { device = "cpu" } = options;
  for (const [name, owners] of Object.entries(ownOptions)) {
    const value = options[name as keyof typeof ownOptions];
    if (value === undefined || value === false || owners.some((owner) => owner === device)) continue;
    throw new VlmR1Error(
      "invalid-argument",
      `The option ${name} is for the device ${owners.join(" or ")}; this engine is opened on ${device}. Leave it out, or give device: "${owners[0]}".`,
    );
  }
}
