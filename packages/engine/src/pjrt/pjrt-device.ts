import { VlmR1Error } from "@vlmr1/core";
import { layoutOf } from "../device/layout.ts";
import type { Device, Effort, LoadRequest, Program, Storage, TensorView } from "../device/device.ts";
import { viewOf } from "../device/view.ts";
import type { DType, HostData } from "../engine-types.ts";
import { liveNodes } from "../graph/node.ts";
import { allocate, dtypeOf } from "../host-data.ts";
import { widen } from "../precision.ts";
import { explainRunError } from "../record/explain.ts";
import { loadLibrary, type Address } from "./c-api.ts";
import { compileOptions, type XlaFlags } from "./compile-options.ts";
import type { Executable } from "./executable.ts";
import { openClient, type HostArray, type PjrtClient } from "./pjrt-client.ts";
import type { FoundPlugin } from "./find-plugin.ts";
import { openProgramStore, type ProgramStore } from "./program-store.ts";
import { elementBytes, elementOf, type Element } from "./stablehlo-text.ts";
import { toModule, type Module } from "./stablehlo-module.ts";

/** One buffer on each processor, all with the same elements. */
type Replicas = readonly Address[];

/** What must be freed when a storage is gone. */
interface Box {
  /** Empty while the elements are on the host only. */
  whole: Replicas;
  /** Buffers over parts of the row, by place. */
  readonly parts: Map<string, Replicas>;
}

/** A row on the device, or on the host while it is being written part by part. */
interface DeviceStorage extends Storage {
  readonly box: Box;
  readonly element: Element;
  host: HostData | undefined;
}

/** How the device is opened. */
export interface PjrtOptions {
  readonly plugin: FoundPlugin;
  readonly threads: number;
  /** Processors that compute together. */
  readonly replicas: number;
  /** Keeps compiled programs. */
  readonly programFolder: string | undefined;
}

/** The device that computes with a PJRT plugin. */
export async function createPjrtDevice(options: PjrtOptions): Promise<Device> {
  const { plugin, threads, replicas, programFolder } = options;
  for (const library of plugin.libraries) loadLibrary(library, true);
  const client = openClient(plugin.file, plugin.createOptions);
  checkReplicas(client, replicas);
  const flags = await knownFlags(
    client,
    client.platform === "cpu" ? { ...cpuFlags, ...plugin.flags } : plugin.flags,
  );
  const context: DeviceContext = {
    client,
    programs: openProgramStore(client, compileOptions(replicas, flags), programFolder),
    replicas,
    alignment: partAlignment(client),
    running: Promise.resolve(),
    closed: false,
  };
  const abandoned = new FinalizationRegistry<Box>((box) => releaseBox(context, box));
  const create: Create = (dtype, length, whole, more) => {
    const storage: DeviceStorage = {
      dtype,
      length,
      references: 0,
      box: { whole, parts: new Map() },
      element: elementOf[dtype],
      host: undefined,
      ...more,
    };
    abandoned.register(storage, storage.box, storage.box);
    return storage;
  };
  return {
    kind: "pjrt",
    replicas,
    memory: () => ({
      inUse: undefined,
      peak: undefined,
      limit: undefined,
      ...client.memory(0),
      buffers: client.buffers(),
    }),
    runtime: `PJRT ${client.plugin.version.join(".")}, ${client.version.split("\n")[0]}`,
    library: plugin.file,
    processors: client.processors.map(({ name, kind }) => (kind === "" ? name : `${name} ${kind}`)),
    threads,
    bakes: false,
    store(data) {
      const dtype = dtypeOf(data);
      return create(dtype, data.length, uploadAll(context, data, elementOf[dtype]));
    },
    storeNarrow(elements) {
      if (elements.precision !== "bfloat16") return undefined;
      const whole = uploadAll(context, elements.codes, "bf16");
      return create("float32", elements.codes.length, whole, { element: "bf16", precision: "bfloat16" });
    },
    zeros: (dtype, length) => create(dtype, length, [], { host: allocate(dtype, length) }),
    read: (view) => read(context, view),
    write: (view, data, offset) => write(context, view, data, offset),
    free(storage) {
      const { box } = storage as DeviceStorage;
      abandoned.unregister(box);
      (storage as DeviceStorage).host = undefined;
      releaseBox(context, box);
    },
    load: (request) => loadProgram(context, create, request),
    async dispose() {
      await context.running.catch(() => undefined);
      context.closed = true;
      client.close();
    },
  };
}

interface DeviceContext {
  readonly client: PjrtClient;
  readonly programs: ProgramStore;
  /** Processors that hold every tensor and run every program. */
  readonly replicas: number;
  /** Bytes; see `ModuleOptions.alignment`. */
  readonly alignment: number;
  /** The call that runs now: reads wait for it, since it may take over the memory of what is read. */
  running: Promise<unknown>;
  closed: boolean;
}

/**
 * Flags for plugins for CPUs. Their fusions with YNNPACK end the process when the sum of a product is compiled whose operand is a reshaped
 * parameter (fastatomstruct-xla-cpu 2026.6.23, PJRT 0.106).
 */
const cpuFlags: XlaFlags = { xla_cpu_experimental_ynn_fusion_type: "" };

/** Those flags that the plugin knows: it refuses to compile with others. */
async function knownFlags(client: PjrtClient, flags: XlaFlags): Promise<XlaFlags> {
  const type = "tensor<1xf32>";
  const trial = `module @trial { func.func public @main(%x: ${type}) -> ${type} { return %x : ${type} } }`;
  const known: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(flags)) {
    try {
      (await client.compile(trial, compileOptions(1, { [name]: value }))).release();
      known[name] = value;
    } catch {
      // another version of XLA
    }
  }
  return known;
}

function checkReplicas({ processors }: PjrtClient, replicas: number): void {
  if (Number.isInteger(replicas) && replicas >= 1 && replicas <= Math.min(processors.length, 127)) return;
  throw new VlmR1Error(
    "invalid-argument",
    `replicas must be an integer from 1 to ${processors.length}, the number of processors of this plugin; got ${replicas}.`,
  );
}

/** Where parts of a row may begin, in bytes: GPUs want 256, XLA for CPUs 64. 0 when the plugin cannot make such buffers. */
function partAlignment(client: PjrtClient): number {
  const row = client.upload(new Float32Array(128), "f32", 0);
  try {
    client.free(client.view(row, { element: "f32", offset: 64, length: 64 }, 0));
    return client.platform === "cpu" ? 64 : 256;
  } catch {
    return 0;
  } finally {
    client.free(row);
  }
}

function uploadAll({ client, replicas }: DeviceContext, data: HostArray, element: Element): Replicas {
  return Array.from({ length: replicas }, (_, processor) => client.upload(data, element, processor));
}

function freeAll({ client, closed }: DeviceContext, buffers: Replicas): void {
  if (!closed) for (const buffer of buffers) client.free(buffer);
}

function releaseBox(context: DeviceContext, box: Box): void {
  for (const part of box.parts.values()) freeAll(context, part);
  box.parts.clear();
  freeAll(context, box.whole);
  box.whole = [];
}

/** The buffers of a row; sends what was written on the host. */
function wholeRow(context: DeviceContext, storage: DeviceStorage): Replicas {
  if (storage.host) {
    releaseBox(context, storage.box);
    storage.box.whole = uploadAll(context, storage.host, storage.element);
    storage.host = undefined;
  }
  return storage.box.whole;
}

function partOfRow(context: DeviceContext, storage: DeviceStorage, offset: number, length: number): Replicas {
  const whole = wholeRow(context, storage);
  const key = `${offset}+${length}`;
  let part = storage.box.parts.get(key);
  if (!part) {
    const { element } = storage;
    part = whole.map((buffer, k) => context.client.view(buffer, { element, offset, length }, k));
    storage.box.parts.set(key, part);
  }
  return part;
}

async function read(context: DeviceContext, view: TensorView): Promise<HostData> {
  const storage = view.storage as DeviceStorage;
  const { dtype, length, element } = storage;
  await context.running.catch(() => undefined);
  const { client, alignment } = context;
  const end = view.offset + view.size;
  if (storage.host) return storage.host.slice(view.offset, end);
  if (element === "bf16") {
    const codes = new Uint16Array(length);
    await client.download(storage.box.whole[0]!, codes);
    return widen({ precision: "bfloat16", shape: view.shape, codes });
  }
  const isPart =
    view.size < length && alignment > 0 && (view.offset * elementBytes[element]) % alignment === 0;
  const buffers = isPart ? partOfRow(context, storage, view.offset, view.size) : storage.box.whole;
  const data = allocate(dtype, isPart ? view.size : length);
  await client.download(buffers[0]!, data);
  return data.length === view.size ? data : data.slice(view.offset, end);
}

/** Written on the host, and sent to the device when it is used next. */
function write({ client }: DeviceContext, view: TensorView, data: HostData, offset: number): void {
  const storage = view.storage as DeviceStorage;
  const { dtype, length } = storage;
  if (data.length === length) storage.host = data.slice();
  else {
    if (!storage.host) {
      storage.host = allocate(dtype, length);
      client.downloadNow(storage.box.whole[0]!, storage.host);
    }
    storage.host.set(data, view.offset + offset);
  }
}

interface Variant {
  readonly module: Module;
  readonly executable: Executable;
}

type Create = (
  dtype: DType,
  length: number,
  whole: Replicas,
  more?: Partial<Pick<DeviceStorage, "host" | "element" | "precision">>,
) => DeviceStorage;

/** A program for each layout of arguments and targets in memory, made when it is first needed. */
async function loadProgram(context: DeviceContext, create: Create, request: LoadRequest): Promise<Program> {
  const { graph } = request;
  const variants = new Map<string, Variant>();
  const effort: Effort = { emitMs: 0, loadMs: 0, compiled: 0, loaded: 0 };
  const variantFor = async (inputs: readonly TensorView[], targets: readonly (TensorView | undefined)[]) => {
    const { layout, storages, key } = layoutOf(inputs, targets);
    let variant = variants.get(key);
    if (!variant) {
      const started = performance.now();
      const module = toModule(graph, layout, {
        bfloat16: request.bfloat16,
        alignment: context.alignment,
        replicas: context.replicas,
        split: request.split,
        elementOf: (row) => (storages[row] as DeviceStorage).element,
      });
      effort.emitMs += performance.now() - started;
      request.dump?.("mlir", module.text);
      variant = { module, executable: await makeExecutable(context, module, request, effort) };
      variants.set(key, variant);
    }
    return { variant, storages: storages as DeviceStorage[] };
  };
  const run: Program["run"] = async (inputs, targets) => {
    const { variant, storages } = await variantFor(inputs, targets);
    const buffers = await call(context, variant, storages, request);
    return takeResults(context, create, { graph, module: variant.module, buffers, storages, targets });
  };
  return {
    operations: liveNodes(graph.outputs).filter(({ op }) => op !== "Input" && op !== "Const").length,
    effort,
    get scratchBytes() {
      return Math.max(0, ...Array.from(variants.values(), ({ executable }) => executable.scratchBytes));
    },
    run(inputs, targets) {
      const result = run(inputs, targets);
      context.running = result.catch(() => undefined);
      return result;
    },
    prepare: async (inputs, targets) => void (await variantFor(inputs, targets)),
    async release() {
      for (const { executable } of variants.values()) executable.release();
      variants.clear();
    },
  };
}

async function makeExecutable(
  { programs }: DeviceContext,
  module: Module,
  request: LoadRequest,
  effort: Effort,
): Promise<Executable> {
  const started = performance.now();
  try {
    const { executable, isLoaded } = await programs.get(module.text);
    effort[isLoaded ? "loaded" : "compiled"] += 1;
    return executable;
  } catch (error) {
    throw explainRunError(withNode(error, module), request);
  } finally {
    effort.loadMs += performance.now() - started;
  }
}

/** An error of the compiler with the node whose line it names, as `explainRunError` looks for it. */
export function withNode(error: unknown, module: Module): unknown {
  if (!(error instanceof Error)) return error;
  const line = /-:(\d+):\d+: error/.exec(error.message)?.[1];
  const node = line === undefined ? undefined : module.nodeAt(Number(line));
  return node === undefined ? error : new Error(`${node}: ${error.message}`, { cause: error });
}

/** Runs a variant; results per result and processor. */
async function call(
  context: DeviceContext,
  { module, executable }: Variant,
  storages: readonly DeviceStorage[],
  request: LoadRequest,
): Promise<Replicas[]> {
  const args = module.parameters.map(({ row, part }) =>
    part ? partOfRow(context, storages[row]!, part.offset, part.length) : wholeRow(context, storages[row]!),
  );
  const perProcessor = Array.from({ length: context.replicas }, (_, k) => args.map((buffers) => buffers[k]!));
  try {
    const results = await context.client.execute(executable, perProcessor, module.produced.length);
    return module.produced.map((_, index) => results.map((list) => list[index]!));
  } catch (error) {
    throw explainRunError(error, request);
  }
}

interface Results {
  readonly graph: LoadRequest["graph"];
  readonly module: Module;
  readonly buffers: readonly Replicas[];
  readonly storages: readonly Storage[];
  readonly targets: readonly (TensorView | undefined)[];
}

function takeResults(
  context: DeviceContext,
  create: Create,
  { graph, module, buffers, storages, targets }: Results,
): TensorView[] {
  const views = targets.map((target) => target!);
  module.produced.forEach((what, index) => {
    const whole = buffers[index]!;
    if ("result" in what) {
      const { dtype, shape } = graph.outputs[what.result]!;
      views[what.result] = viewOf(
        create(
          dtype,
          shape.reduce((a, b) => a * b, 1),
          whole,
        ),
        shape,
      );
      return;
    }
    // The old buffers were given to the program: what is freed are their wrappers, and buffers over parts of them.
    const storage = storages[what.row] as DeviceStorage;
    releaseBox(context, storage.box);
    storage.host = undefined;
    storage.box.whole = whole;
  });
  return views;
}
