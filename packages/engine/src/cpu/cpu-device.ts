import { createRequire } from "node:module";
import * as ort from "onnxruntime-node";
import type { Device, LoadRequest, Program, Storage, TensorView } from "../device/device.ts";
import { coincides, overlaps, viewOf } from "../device/view.ts";
import type { DType, HostData } from "../engine-types.ts";
import { inPlaceProof, type InPlaceProof } from "../graph/in-place.ts";
import type { RecordedGraph } from "../graph/node.ts";
import { allocate, sizeOf } from "../host-data.ts";
import { toOnnx } from "../onnx/onnx-model.ts";
import { explainRunError } from "../record/explain.ts";
import { planOutputs, writeRows, type CpuPlan, type OutputPlan } from "./cpu-plan.ts";
import { constantsAlignment, constantsFile, createSession, externalThreshold } from "./onnx-session.ts";

interface HostStorage extends Storage {
  data: HostData;
}

const hostOf = (view: TensorView): HostData => {
  const { data } = view.storage as HostStorage;
  return view.size === data.length ? data : data.subarray(view.offset, view.offset + view.size);
};

function nativeOf(view: TensorView): ort.Tensor {
  view.native ??= new ort.Tensor(view.dtype as "float32", hostOf(view) as Float32Array, view.shape);
  return view.native as ort.Tensor;
}

function store(data: HostData): HostStorage {
  const dtype: DType =
    data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "bool";
  return { dtype, length: data.length, references: 0, data };
}

/** The device that computes with ONNX Runtime in host memory. */
export function createCpuDevice(threads: number): Device {
  const require = createRequire(import.meta.url);
  const { version } = require("onnxruntime-node/package.json") as { version: string };
  return {
    kind: "cpu",
    runtime: `ONNX Runtime ${version}`,
    library: require.resolve("onnxruntime-node/package.json").replace(/[\\/]package\.json$/, ""),
    processors: ["/device:CPU:0"],
    threads,
    store,
    zeros: (dtype, length) => store(allocate(dtype, length)),
    read: (view) => Promise.resolve(hostOf(view)),
    write: (view, data, offset) => hostOf(view).set(data, offset),
    free: (storage) => void ((storage as HostStorage).data = allocate(storage.dtype, 0)),
    load: (request) => loadProgram(request, threads),
    dispose: () => Promise.resolve(),
  };
}

async function loadProgram(request: LoadRequest, threads: number): Promise<Program> {
  const started = performance.now();
  const plan = planOutputs(request.graph);
  const constants = placeConstants(request);
  const model = toOnnx({ inputs: request.graph.inputs, outputs: plan.fetches, baked: constants });
  const emitted = performance.now();
  const external = [...constants.values()].flatMap(({ data, external: place }) =>
    place ? [{ data, offset: place.offset }] : [],
  );
  const session =
    plan.fetches.length === 0 ? undefined : await createSession({ model: model.bytes, threads, external });
  const run = createRunner(request, plan, model.fed, session);
  return {
    operations: model.operations,
    emitMs: emitted - started,
    loadMs: performance.now() - emitted,
    run: (inputs, targets) => run(inputs, targets),
    release: async () => session?.release(),
  };
}

type Baked = Map<number, { data: HostData; external?: { location: string; offset: number } | undefined }>;

function placeConstants({ constants }: LoadRequest): Baked {
  const total = [...constants.values()].reduce((sum, view) => sum + hostOf(view).byteLength, 0);
  const baked: Baked = new Map();
  let offset = 0;
  for (const [index, view] of constants) {
    const data = hostOf(view);
    const external = total >= externalThreshold && data.byteLength >= constantsAlignment;
    baked.set(index, { data, external: external ? { location: constantsFile, offset } : undefined });
    if (external) offset += Math.ceil(data.byteLength / constantsAlignment) * constantsAlignment;
  }
  return baked;
}

type Runner = Program["run"];

function createRunner(
  request: LoadRequest,
  plan: CpuPlan,
  fed: readonly number[],
  session: ort.InferenceSession | undefined,
): Runner {
  const { graph, name } = request;
  const isSafe = safety(graph, plan);
  const inputNames = fed.map((index) => `x${index}`);
  const outputNames = plan.fetches.map((_, index) => `y${index}`);
  return async (inputs, targets) => {
    const feeds: Record<string, ort.Tensor> = {};
    fed.forEach((index, k) => (feeds[inputNames[k]!] = nativeOf(inputs[index]!)));
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const fetch of outputNames) fetches[fetch] = null;
    const direct = plan.outputs.map((output, index) => {
      const target = targets[index];
      if (output.kind !== "fetch" || !target || !isSafe(output, target, inputs)) return false;
      fetches[outputNames[output.fetch]!] = nativeOf(target);
      return true;
    });
    let values: Readonly<Record<string, ort.Tensor>> = {};
    try {
      if (session) values = (await session.run(feeds, fetches)) as Record<string, ort.Tensor>;
    } catch (error) {
      throw explainRunError(error, name);
    }
    const dataOf = (fetch: number): HostData => (values[outputNames[fetch]!] as ort.Tensor).data as HostData;
    return plan.outputs.map((output, index) =>
      finish(output, { target: targets[index], direct: direct[index]!, inputs, dataOf }),
    );
  };
}

interface Finish {
  readonly target: TensorView | undefined;
  readonly direct: boolean;
  readonly inputs: readonly TensorView[];
  readonly dataOf: (fetch: number) => HostData;
}

function finish(output: OutputPlan, { target, direct, inputs, dataOf }: Finish): TensorView {
  if (output.kind === "empty") return target ?? viewOf(store(allocate(output.dtype, 0)), output.shape);
  if (output.kind === "fetch") {
    if (!target) return viewOf(store(dataOf(output.fetch)), output.shape);
    if (!direct) hostOf(target).set(dataOf(output.fetch));
    return target;
  }
  const source = inputs[output.target]!;
  const result = target ?? viewOf(store(allocate(output.dtype, sizeOf(output.shape))), output.shape);
  if (!coincides(result, source)) hostOf(result).set(hostOf(source));
  const starts =
    "input" in output.starts ? hostOf(inputs[output.starts.input]!) : dataOf(output.starts.fetch);
  const rows = dataOf(output.rows);
  writeRows(hostOf(result) as Float32Array, output.shape, rows as Float32Array, output.rowShape, starts);
  return result;
}

/** Whether an output may be computed straight into its target, given what the inputs are in this call. */
function safety(
  graph: RecordedGraph,
  plan: CpuPlan,
): (output: OutputPlan, target: TensorView, inputs: readonly TensorView[]) => boolean {
  const prove: InPlaceProof = inPlaceProof(plan.fetches);
  const known = new Map<string, boolean>();
  return (output, target, inputs) => {
    if (output.kind !== "fetch") return false;
    return inputs.every((input, index) => {
      if (input.storage !== target.storage || !overlaps(input, target)) return true;
      if (!coincides(input, target)) return false;
      const key = `${index}>${output.fetch}`;
      let safe = known.get(key);
      if (safe === undefined)
        known.set(key, (safe = prove(graph.inputs[index]!, plan.fetches[output.fetch]!)));
      return safe;
    });
  };
}
