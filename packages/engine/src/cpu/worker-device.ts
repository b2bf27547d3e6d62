import { VlmR1Error } from "@vlmr1/core";
import { Worker } from "node:worker_threads";
import type { Device, LoadRequest, Program, Storage, TensorView } from "../device/device.ts";
import { viewOf } from "../device/view.ts";
import type { DType, HostData } from "../engine-types.ts";
import { dtypeOf, sizeOf } from "../host-data.ts";
import { toOnnx } from "../onnx/onnx-model.ts";
import { explainRunError } from "../record/explain.ts";
import type { ConstantsFolder } from "./constants-folder.ts";
import { onnxRuntime } from "./cpu-device.ts";
import { planOutputs } from "./cpu-plan.ts";
import { directOutputs } from "./direct-outputs.ts";
import { narrowFiles } from "./narrow-storage.ts";
import { isFoldable, placeConstants, usesFiles } from "./place-constants.ts";
import type { RemoteView, WorkerReply, WorkerRequest } from "./worker-protocol.ts";

interface RemoteStorage extends Storage {
  readonly id: number;
}

type WithoutReply<T> = T extends { readonly reply: number } ? Omit<T, "reply"> : never;

interface Channel {
  /** Sends what needs no answer. */
  post(
    request: Extract<WorkerRequest, { kind: "store" | "zeros" | "write" | "free" }>,
    transfer?: ArrayBuffer[],
  ): void;
  /** Sends and waits for the answer. */
  ask(request: WithoutReply<WorkerRequest>): Promise<WorkerReply>;
  close(): Promise<void>;
}

function startWorker(): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./cpu-worker.js", import.meta.url));
  const file = new URL("./cpu-worker-from-source.mjs", import.meta.url);
  return new Worker(file, { execArgv: ["--conditions=@vlmr1/source"] });
}

function openChannel(): Channel {
  const worker = startWorker();
  const waiting = new Map<
    number,
    { resolve: (reply: WorkerReply) => void; reject: (error: Error) => void }
  >();
  let nextReply = 1;
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on("message", (reply: WorkerReply) => {
    const caller = waiting.get(reply.reply);
    waiting.delete(reply.reply);
    if (waiting.size === 0) worker.unref(); // an idle worker does not keep the process alive
    if (reply.error === undefined) caller?.resolve(reply);
    else caller?.reject(new Error(reply.error));
  });
  worker.on("error", (error) =>
    fail(new VlmR1Error("unavailable", `The worker thread stopped: ${String(error)}`, { cause: error })),
  );
  worker.on("exit", () => fail(new VlmR1Error("unavailable", "The worker thread of this engine has ended.")));
  worker.unref();
  return {
    post: (request, transfer = []) => worker.postMessage(request, transfer),
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        const reply = nextReply++;
        waiting.set(reply, { resolve, reject });
        worker.ref();
        worker.postMessage({ ...request, reply }, []);
      }),
    close: async () => void (await worker.terminate()),
  };
}

/** The cpu device in a thread of its own: tensors live there, `read` and `write` copy, the event loop stays free. */
export function createWorkerDevice(threads: number): Device {
  const channel = openChannel();
  const narrow = narrowFiles();
  let nextStorage = 1;
  const create = (dtype: DType, length: number): RemoteStorage => ({
    id: nextStorage++,
    dtype,
    length,
    references: 0,
  });
  return {
    kind: "cpu",
    ...onnxRuntime(),
    processors: ["/device:CPU:0"],
    threads,
    bakes: true,
    store(data) {
      const storage = create(dtypeOf(data), data.length);
      const copy = data.slice();
      channel.post({ kind: "store", storage: storage.id, data: copy }, [copy.buffer]);
      return storage;
    },
    zeros(dtype, length) {
      const storage = create(dtype, length);
      channel.post({ kind: "zeros", storage: storage.id, dtype, length });
      return storage;
    },
    storeNarrow: narrow.store,
    read: async (view) =>
      narrow.read(view) ?? ((await channel.ask({ kind: "read", view: remote(view) })).data as HostData),
    write(view, data, offset) {
      const { id } = view.storage as RemoteStorage;
      channel.post({ kind: "write", storage: id, offset: view.offset + offset, data: data.slice() });
    },
    free(storage) {
      if (!narrow.free(storage)) channel.post({ kind: "free", storage: (storage as RemoteStorage).id });
    },
    load: (request) => loadProgram({ channel, create, folder: narrow.folder, threads }, request),
    async dispose() {
      await channel.close();
      narrow.dispose();
    },
  };
}

function remote({ id, storage, offset, shape }: TensorView): RemoteView {
  return { id, storage: (storage as RemoteStorage).id, offset, shape };
}

let nextProgram = 1;

interface Loader {
  readonly channel: Channel;
  readonly create: (dtype: DType, length: number) => RemoteStorage;
  readonly folder: () => ConstantsFolder;
  readonly threads: number;
}

async function loadProgram(
  { channel, create, folder, threads }: Loader,
  request: LoadRequest,
): Promise<Program> {
  const started = performance.now();
  const { graph, int8Products } = request;
  const plan = planOutputs(graph);
  const { baked, large, places } = placeConstants(request.constants, folder, true);
  const model = toOnnx({ inputs: graph.inputs, outputs: plan.fetches, baked, int8Products });
  const emitted = performance.now();
  const program = nextProgram++;
  await channel.ask({
    kind: "load",
    program,
    threads,
    keepScratch: request.keepScratch,
    model: model.bytes,
    fed: model.fed,
    outputs: plan.outputs,
    folding: isFoldable(baked),
    folder: usesFiles(baked) ? folder().path : undefined,
    large: large.map(remote),
    places,
    empty: plan.fetches.length === 0,
  });
  if (places[0]) folder().remove(places[0].location); // the mapping outlives the name
  const direct = directOutputs(graph, plan);
  const needed = new Set([
    ...model.fed,
    ...plan.outputs.flatMap((output) => (output.kind === "update" ? inputsOf(output) : [])),
  ]);
  return {
    operations: model.operations,
    effort: { emitMs: emitted - started, loadMs: performance.now() - emitted, compiled: 1, loaded: 0 },
    async run(inputs, targets) {
      const views = graph.outputs.map(
        ({ dtype, shape }, index) => targets[index] ?? viewOf(create(dtype, sizeOf(shape)), shape),
      );
      const fresh = views.flatMap(({ storage }, index) =>
        targets[index] ? [] : [(storage as RemoteStorage).id],
      );
      try {
        await channel.ask({
          kind: "run",
          program,
          fresh,
          direct: direct(inputs, targets),
          inputs: inputs.map((view, index) => (needed.has(index) ? remote(view) : undefined)),
          targets: targets.map((view) => (view ? remote(view) : undefined)),
        });
      } catch (error) {
        throw explainRunError(error, request);
      }
      return views;
    },
    release: async () => void (await channel.ask({ kind: "release", program })),
  };
}

function inputsOf(output: { target: number; starts: { input: number } | { fetch: number } }): number[] {
  return "input" in output.starts ? [output.target, output.starts.input] : [output.target];
}
