import { createRequire } from "node:module";
import type { Device, LoadRequest, Program, TensorView } from "../device/device.ts";
import { allocate, bytesPerElement } from "../host-data.ts";
import { toOnnx, type Baked } from "../onnx/onnx-model.ts";
import { explainRunError } from "../record/explain.ts";
import { planOutputs } from "./cpu-plan.ts";
import { directOutputs } from "./direct-outputs.ts";
import { constantsAlignment, constantsFile, createSession, externalThreshold } from "./onnx-session.ts";
import { hostDataOf, hostStorage, modelRunner, type HostStorage } from "./run-plan.ts";

/** Name, version and place of ONNX Runtime. */
export function onnxRuntime(): { readonly runtime: string; readonly library: string } {
  const require = createRequire(import.meta.url);
  const { version } = require("onnxruntime-node/package.json") as { version: string };
  const library = require.resolve("onnxruntime-node/package.json").replace(/[\\/]package\.json$/, "");
  return { runtime: `ONNX Runtime ${version}`, library };
}

/** The device that computes with ONNX Runtime in host memory. */
export function createCpuDevice(threads: number): Device {
  return {
    kind: "cpu",
    ...onnxRuntime(),
    processors: ["/device:CPU:0"],
    threads,
    store: hostStorage,
    zeros: (dtype, length) => hostStorage(allocate(dtype, length)),
    read: (view) => Promise.resolve(hostDataOf(view)),
    write: (view, data, offset) => hostDataOf(view).set(data, offset),
    free: (storage) => void ((storage as HostStorage).data = allocate(storage.dtype, 0)),
    load: (request) => loadProgram(request, threads),
    dispose: () => Promise.resolve(),
  };
}

async function loadProgram(request: LoadRequest, threads: number): Promise<Program> {
  const started = performance.now();
  const plan = planOutputs(request.graph);
  const { baked, external } = placeConstants(request.constants, false);
  const model = toOnnx({ inputs: request.graph.inputs, outputs: plan.fetches, baked });
  const emitted = performance.now();
  const files = external.map(({ view, offset }) => ({ data: hostDataOf(view), offset }));
  const session =
    plan.fetches.length === 0
      ? undefined
      : await createSession({
          model: model.bytes,
          threads,
          external: files,
          folding: baked.size > 0,
          keepScratch: request.keepScratch,
        });
  const run = modelRunner({ session, fed: model.fed, outputs: plan.outputs });
  const direct = directOutputs(request.graph, plan);
  return {
    operations: model.operations,
    emitMs: emitted - started,
    loadMs: performance.now() - emitted,
    run: async (inputs, targets) => {
      try {
        return await run(inputs, targets, direct(inputs, targets));
      } catch (error) {
        throw explainRunError(error, request);
      }
    },
    release: async () => session?.release(),
  };
}

/** Where the values of constants go: into the model, or into a file beside it, where `external` says at which offset. */
export function placeConstants(
  constants: ReadonlyMap<number, TensorView>,
  always: boolean,
): { baked: Map<number, Baked>; external: { view: TensorView; offset: number }[] } {
  const bytesOf = ({ size, dtype }: TensorView): number => size * bytesPerElement(dtype);
  const total = [...constants.values()].reduce((sum, view) => sum + bytesOf(view), 0);
  const baked = new Map<number, Baked>();
  const external: { view: TensorView; offset: number }[] = [];
  let offset = 0;
  for (const [index, view] of constants) {
    const length = bytesOf(view);
    if (!always && (total < externalThreshold || length < constantsAlignment)) {
      baked.set(index, { data: hostDataOf(view) });
      continue;
    }
    baked.set(index, { location: constantsFile, offset, length });
    external.push({ view, offset });
    offset += Math.ceil(length / constantsAlignment) * constantsAlignment;
  }
  return { baked, external };
}
