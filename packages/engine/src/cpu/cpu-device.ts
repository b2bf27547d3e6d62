import type { Device, LoadRequest, Program } from "../device/device.ts";
import { allocate } from "../host-data.ts";
import { toOnnx } from "../onnx/onnx-model.ts";
import { explainRunError } from "../record/explain.ts";
import { writeConstants, type ConstantsFolder } from "./constants-folder.ts";
import { planOutputs } from "./cpu-plan.ts";
import { directOutputs } from "./direct-outputs.ts";
import { narrowFiles } from "./narrow-storage.ts";
import { isFoldable, placeConstants, usesFiles } from "./place-constants.ts";
import { findOnnxRuntime } from "./onnx-runtime.ts";
import { createSession } from "./onnx-session.ts";
import { hostDataOf, hostStorage, modelRunner, type HostStorage } from "./run-plan.ts";

/** Name, version and place of ONNX Runtime. */
export function onnxRuntime(): { readonly runtime: string; readonly library: string } {
  const { version, folder } = findOnnxRuntime();
  return { runtime: `ONNX Runtime ${version}`, library: folder };
}

/** The device that computes with ONNX Runtime in host memory. Matrices in 8 and 4 bits lie in files that programs map. */
export function createCpuDevice(threads: number): Device {
  const narrow = narrowFiles();
  return {
    kind: "cpu",
    ...onnxRuntime(),
    processors: ["/device:CPU:0"],
    threads,
    bakes: true,
    store: hostStorage,
    storeNarrow: narrow.store,
    zeros: (dtype, length) => hostStorage(allocate(dtype, length)),
    read: async (view) => narrow.read(view) ?? hostDataOf(view),
    write: (view, data, offset) => hostDataOf(view).set(data, offset),
    free(storage) {
      if (!narrow.free(storage)) (storage as HostStorage).data = allocate(storage.dtype, 0);
    },
    load: (request) => loadProgram(request, threads, narrow.folder),
    dispose: async () => narrow.dispose(),
  };
}

async function loadProgram(
  request: LoadRequest,
  threads: number,
  folder: () => ConstantsFolder,
): Promise<Program> {
  const started = performance.now();
  const { graph, int8Products, keepScratch } = request;
  const plan = planOutputs(graph);
  const { baked, large, places } = placeConstants(request.constants, folder, false);
  writeConstants(places.length === 0 ? "" : folder().path, places, large.map(hostDataOf));
  const model = toOnnx({ inputs: graph.inputs, outputs: plan.fetches, baked, int8Products });
  const emitted = performance.now();
  try {
    const choices = { threads, keepScratch, folding: isFoldable(baked) };
    const path = usesFiles(baked) ? folder().path : undefined;
    const session =
      plan.fetches.length === 0
        ? undefined
        : await createSession({ model: model.bytes, folder: path, ...choices });
    const run = modelRunner({ session, fed: model.fed, outputs: plan.outputs });
    const direct = directOutputs(graph, plan);
    return {
      operations: model.operations,
      effort: { emitMs: emitted - started, loadMs: performance.now() - emitted, compiled: 1, loaded: 0 },
      run: async (inputs, targets) => {
        try {
          return await run(inputs, targets, direct(inputs, targets));
        } catch (error) {
          throw explainRunError(error, request);
        }
      },
      release: async () => session?.release(),
    };
  } finally {
    if (places[0]) folder().remove(places[0].location); // the mapping outlives the name
  }
}
