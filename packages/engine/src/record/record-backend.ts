import "#tfjs-gradients"; // tfjs-core's entry for Node leaves out the gradients of its own kernels
import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import type { DType, HostData } from "../engine-types.ts";
import { allocate, dtypeOf, sizeOf } from "../host-data.ts";
import { hasOp, isGraphNode, type GraphNode } from "../graph/node.ts";
import { activeRecording, activeReplicas, constant, node } from "../graph/recording.ts";
import type { KernelAttributes, Operands } from "../kernels/kernel-rule.ts";
import { kernelTable } from "../kernels/kernel-table.ts";
import { callSite, captureStack } from "./call-site.ts";

/** Name under which the recorder is a TensorFlow.js backend. */
export const recordBackendName = "vlmr1-record";

const randomOps = [
  "randomNormal",
  "randomUniform",
  "randomUniformInt",
  "randomStandardNormal",
  "truncatedNormal",
  "randomGamma",
  "dropout",
  "multinomial",
];

/** The ops being evaluated, outermost first: TensorFlow.js names the scope of each op after it. */
function openOps(): string[] {
  const scopes = (tf.engine() as unknown as { state: { scopeStack: { name: string }[] } }).state.scopeStack;
  return scopes.map(({ name }) => name.replace(/__op$/, ""));
}

function refuseRandomness(): void {
  const op = openOps().find((name) => randomOps.includes(name));
  if (op === undefined) return;
  throw new VlmR1Error(
    "unsupported",
    `tf.${op} inside a recorded function would give the same numbers in every call (${callSite()}). ` +
      "Draw the numbers outside and pass them as an argument.",
  );
}

function checkDType(dtype: string): DType {
  if (dtype === "float32" || dtype === "int32" || dtype === "bool") return dtype;
  throw new VlmR1Error(
    "unsupported",
    `A recorded function cannot hold ${dtype} tensors (${callSite()}). Use float32, int32 or bool.`,
  );
}

function hostData(values: unknown, shape: readonly number[], dtype: DType): HostData {
  if (values instanceof Float32Array || values instanceof Int32Array || values instanceof Uint8Array) {
    if (dtypeOf(values) === dtype) return values; // constants are copied when they are recorded
    const data = allocate(dtype, values.length);
    data.set(values);
    return data;
  }
  const data = allocate(dtype, sizeOf(shape));
  data.set(Array.from(values as ArrayLike<number>, Number));
  return data;
}

function unreadable(): never {
  throw new VlmR1Error(
    "unsupported",
    `A recorded function was asked for the elements of a tensor (${callSite()}); they do not exist until the program runs. ` +
      "Return the tensor and read the result, or compute with tf ops (tf.where instead of if).",
  );
}

function read(dataId: object): HostData {
  if (!isGraphNode(dataId)) return unreadable();
  if (hasOp(dataId, "Const")) return dataId.data!;
  const source = hasOp(dataId, "BroadcastTo") ? dataId.inputs[0]! : undefined;
  if (source?.op !== "Const" || source.data!.length !== 1) return unreadable();
  return allocate(dataId.dtype, sizeOf(dataId.shape)).fill(source.data![0]!);
}

/** A backend whose tensors are graph nodes. Nothing is computed and nothing needs to be freed. */
function recordBackend(): tf.KernelBackend {
  const backend = new tf.KernelBackend();
  return Object.assign(backend, {
    write(values: unknown, shape: number[], dtype: string): GraphNode {
      refuseRandomness();
      return constant(hostData(values, shape, checkDType(dtype)), shape);
    },
    readSync: read,
    read: async (dataId: object) => read(dataId),
    disposeData: () => false,
    incRef: () => undefined,
    refCount: () => 1,
    numDataIds: () => 0,
    memory: () => ({ unreliable: true }),
    floatPrecision: () => 32 as const,
    epsilon: () => 1e-7,
    dispose: () => undefined,
  }) as unknown as tf.KernelBackend;
}

/** The node of a tensor; a concrete tensor that the function captured becomes a constant if it is small. */
export function nodeOf(tensor: tf.TensorInfo): GraphNode {
  const { dataId } = tensor;
  const recording = activeRecording();
  if (isGraphNode(dataId)) {
    if (dataId.owner === recording) return dataId;
    throw new VlmR1Error(
      "invalid-argument",
      `A tensor of another recording, of shape [${tensor.shape.join(", ")}], is used in a recorded function (${callSite()}). ` +
        "Return tensors as results; do not store them.",
    );
  }
  const known = recording?.captured.get(dataId);
  if (known) return known;
  const limit = recording?.captureLimit ?? 0;
  if (tensor instanceof tf.Variable) {
    throw new VlmR1Error(
      "unsupported",
      `tf.Variable "${tensor.name}" is used inside a recorded function (${callSite()}). Pass its value as an argument and return the new one.`,
    );
  }
  if (sizeOf(tensor.shape) > limit) {
    throw new VlmR1Error(
      "invalid-argument",
      `A tensor of shape [${tensor.shape.join(", ")}] is captured by a recorded function (${callSite()}): its values would be ` +
        `frozen into the program. Pass it as an argument (\`constant\` if it never changes); up to ${limit} elements may be captured.`,
    );
  }
  const data = tf.engine().readSync(dataId) as HostData;
  const fresh = constant(hostData(data, tensor.shape, checkDType(tensor.dtype)), tensor.shape);
  recording?.captured.set(dataId, fresh);
  return fresh;
}

/** What TensorFlow.js needs to know to make a tensor of a node. */
export function infoOf(value: GraphNode): tf.TensorInfo {
  return { dataId: value, shape: [...value.shape], dtype: value.dtype };
}

function operandsOf(inputs: unknown): Operands {
  const nodes: Record<string, GraphNode> = {};
  const list: GraphNode[] = [];
  for (const [name, tensor] of Object.entries(inputs as Record<string, tf.TensorInfo | undefined>)) {
    if (tensor === undefined || tensor === null) continue;
    const value = nodeOf(tensor);
    nodes[name] = value;
    list.push(value);
  }
  return { ...nodes, list } as unknown as Operands;
}

function runKernel(
  kernel: string,
  inputs: unknown,
  attributes: KernelAttributes,
): tf.TensorInfo | tf.TensorInfo[] {
  const rule = kernelTable[kernel] ?? ownKernels[kernel];
  if (rule === undefined) {
    const op = openOps().find((name) => name in tf) ?? kernel;
    throw new VlmR1Error("unsupported", `tf.${op} (kernel ${kernel}) cannot be recorded, at ${callSite()}.`);
  }
  const recording = activeRecording();
  if (recording?.keepSites) recording.site = { kernel, stack: captureStack() };
  const result = rule(operandsOf(inputs), attributes);
  return Array.isArray(result) ? result.map(infoOf) : infoOf(result as GraphNode);
}

/** Kernels of this package that TensorFlow.js does not have. */
export const afterKernel = "Vlmr1After";
export const allSumKernel = "Vlmr1AllSum";
export const allGatherKernel = "Vlmr1AllGather";
const ownKernels: typeof kernelTable = {
  [allSumKernel]: ({ list: [x] }) => node("AllSum", [x!], x!.shape, x!.dtype, { replicas: activeReplicas() }),
  [allGatherKernel]: ({ list: [x] }) => {
    const replicas = activeReplicas();
    const shape = [x!.shape[0]! * replicas, ...x!.shape.slice(1)];
    return node("AllGather", [x!], shape, x!.dtype, { replicas });
  },
  [afterKernel]: ({ list }) => node("After", list, list[0]!.shape, list[0]!.dtype, {}),
};

/** Registers the recorder with TensorFlow.js. Idempotent. */
export function registerRecordBackend(): void {
  if (tf.findBackend(recordBackendName) || recordBackendName in tf.engine().registryFactory) return;
  tf.registerBackend(recordBackendName, recordBackend, 0);
  // TensorFlow.js exports the name of each kernel as a constant of that name; those without a rule get our error, not its own.
  const named = Object.entries(tf).filter(([name, value]) => name === value);
  const names = new Set([
    ...Object.keys(kernelTable),
    ...Object.keys(ownKernels),
    ...named.map(([name]) => name),
  ]);
  for (const kernelName of names) {
    tf.registerKernel({
      kernelName,
      backendName: recordBackendName,
      kernelFunc: ({ inputs, attrs }) => runKernel(kernelName, inputs, attrs ?? {}),
    });
  }
}
