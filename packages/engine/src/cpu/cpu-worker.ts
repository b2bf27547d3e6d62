import { parentPort } from "node:worker_threads";
import type { TensorView } from "../device/device.ts";
import { viewOf } from "../device/view.ts";
import { allocate } from "../host-data.ts";
import { writeConstants } from "./constants-folder.ts";
import type { OnnxSession } from "./onnx-runtime.ts";
import { createSession } from "./onnx-session.ts";
import { hostDataOf, hostStorage, modelRunner, type HostStorage, type ModelRunner } from "./run-plan.ts";
import type { RemoteView, WorkerReply, WorkerRequest } from "./worker-protocol.ts";

/** The other side of `createWorkerDevice`: owns tensors and sessions, and handles one request after another. */
const storages = new Map<number, HostStorage>();
const views = new Map<number, TensorView>();
const programs = new Map<number, { run: ModelRunner; session: OnnxSession | undefined }>();

function viewBehind({ id, storage, offset, shape }: RemoteView): TensorView {
  let view = views.get(id);
  if (!view) views.set(id, (view = viewOf(storages.get(storage)!, shape, offset)));
  return view;
}

function forget(storage: number): void {
  const gone = storages.get(storage);
  storages.delete(storage);
  for (const [id, view] of views) if (view.storage === gone) views.delete(id);
}

async function answer(request: WorkerRequest): Promise<Omit<WorkerReply, "reply">> {
  switch (request.kind) {
    case "store":
      storages.set(request.storage, hostStorage(request.data));
      return {};
    case "zeros":
      storages.set(request.storage, hostStorage(allocate(request.dtype, request.length)));
      return {};
    case "write":
      storages.get(request.storage)!.data.set(request.data, request.offset);
      return {};
    case "free":
      forget(request.storage);
      return {};
    case "read":
      return { data: hostDataOf(viewBehind(request.view)).slice() };
    case "load": {
      const { model, threads, folder, folding, keepScratch, fed, outputs } = request;
      const constants = request.large.map((view) => hostDataOf(viewBehind(view)));
      writeConstants(folder ?? "", request.places, constants);
      const session = request.empty
        ? undefined
        : await createSession({ model, threads, folder, folding, keepScratch });
      programs.set(request.program, { session, run: modelRunner({ session, fed, outputs }) });
      return {};
    }
    case "run": {
      const inputs = request.inputs.map((view) => (view ? viewBehind(view) : undefined)) as TensorView[];
      const targets = request.targets.map((view) => (view ? viewBehind(view) : undefined));
      const results = await programs.get(request.program)!.run(inputs, targets, request.direct);
      const made = results.filter((_, index) => targets[index] === undefined);
      made.forEach((view, index) => storages.set(request.fresh[index]!, view.storage as HostStorage));
      return {};
    }
    case "release":
      programs.get(request.program)?.session?.release();
      programs.delete(request.program);
      return {};
  }
}

let tail: Promise<unknown> = Promise.resolve();
parentPort?.on("message", (request: WorkerRequest) => {
  tail = tail.then(async () => {
    let reply: Omit<WorkerReply, "reply">;
    try {
      reply = await answer(request);
    } catch (error) {
      reply = { error: error instanceof Error ? error.message : String(error) };
    }
    if ("reply" in request) {
      const transfer = reply.data ? [reply.data.buffer as ArrayBuffer] : [];
      parentPort?.postMessage({ reply: request.reply, ...reply } satisfies WorkerReply, transfer);
    }
  });
});
