import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import type { GraphNode, RecordedGraph, TensorSpec } from "../graph/node.ts";
import { newRecording, withRecording } from "../graph/recording.ts";
import { mapLeaves } from "../tree.ts";
import { callSite } from "./call-site.ts";
import { infoOf, nodeOf, recordBackendName, registerRecordBackend } from "./record-backend.ts";

/** How to record. */
export interface RecordOptions {
  readonly name: string;
  readonly captureLimit: number;
  /** Processors that compute together. Default 1. */
  readonly replicas?: number;
  /** Remember for every node where it was recorded. */
  readonly keepSites?: boolean;
}

/** A recorded function and the tree of its results: leaves are positions in `graph.outputs` or plain values. */
export interface Recorded {
  readonly graph: RecordedGraph;
  readonly resultTree: unknown;
}

/** Stands for `graph.outputs[index]` in a tree of results. */
export interface OutputSlot {
  readonly output: number;
}

const slots = new WeakSet<object>();

/** Whether a leaf of `Recorded.resultTree` stands for an output. */
export function isOutputSlot(value: unknown): value is OutputSlot {
  return typeof value === "object" && value !== null && slots.has(value);
}

/** Whether a value is a TensorFlow.js tensor. */
export function isTfTensor(value: unknown): value is tf.Tensor {
  return value instanceof tf.Tensor;
}

/**
 * Records `fn` once. `call` receives tensors in the order of `specs` and returns the tree of results.
 *
 * @throws VlmR1Error `unsupported` or `invalid-argument` for what cannot be recorded, with the user's line.
 */
export function record(
  call: (inputs: tf.Tensor[]) => unknown,
  specs: readonly TensorSpec[],
  options: RecordOptions,
): Recorded {
  registerRecordBackend();
  const restoreBackend = keepBackend();
  const recording = newRecording(options);
  const restoreVariables = refuseVariables();
  void tf.setBackend(recordBackendName); // its factory is synchronous, so it is active at once
  try {
    return withRecording(recording, () => {
      const inputs = specs.map(({ precision = "float32", ...spec }, index): GraphNode => ({
        id: recording.nextId++,
        owner: recording,
        op: "Input",
        inputs: [],
        attributes: { index, precision },
        ...spec,
      }));
      const outputs: GraphNode[] = [];
      let resultTree: unknown;
      tf.tidy(() => {
        const tree = call(inputs.map((input) => tensorOf(input)));
        if (tree instanceof Promise) throw asynchronous(options.name);
        resultTree = mapLeaves(tree, isTfTensor, (leaf) => {
          if (!isTfTensor(leaf)) return leaf;
          const slot: OutputSlot = { output: outputs.push(nodeOf(leaf)) - 1 };
          slots.add(slot);
          return slot;
        });
      });
      return { graph: { inputs, outputs, updates: recording.updates }, resultTree };
    });
  } catch (error) {
    throw explain(error, options.name);
  } finally {
    restoreVariables();
    restoreBackend();
  }
}

/** Remembers TensorFlow.js's backend; it may not have chosen one yet. */
function keepBackend(): () => void {
  const engine = tf.engine() as unknown as { backendName: string | undefined; backendInstance: unknown };
  const { backendName, backendInstance } = engine;
  return () => {
    if (backendName) void tf.setBackend(backendName);
    else Object.assign(engine, { backendName, backendInstance });
  };
}

/** A TensorFlow.js tensor that stands for a node. */
export function tensorOf(value: GraphNode): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(infoOf(value));
}

function asynchronous(name: string): VlmR1Error {
  return new VlmR1Error(
    "unsupported",
    `The recorded function ${name} is asynchronous. It must be pure and synchronous.`,
  );
}

/** Makes creating and assigning a tf.Variable an error until the returned function is called. */
function refuseVariables(): () => void {
  const { state } = tf.engine() as unknown as {
    state: { registeredVariables: Record<string, { assign?: unknown }> };
  };
  const outer = state.registeredVariables;
  const refuse = (name: string, verb: string): never => {
    throw new VlmR1Error(
      "unsupported",
      `tf.variable "${name}" is ${verb} inside a recorded function (${callSite()}). ` +
        "Keep state in arguments and results, outside the function.",
    );
  };
  const variables = Object.entries(outer);
  for (const [name, variable] of variables) variable.assign = () => refuse(name, "assigned");
  state.registeredVariables = new Proxy(outer, { set: (_, name) => refuse(String(name), "created") });
  return () => {
    state.registeredVariables = outer;
    for (const [, variable] of variables) delete variable.assign; // the prototype's method shows again
  };
}

function explain(error: unknown, name: string): unknown {
  if (!(error instanceof Error) || VlmR1Error.is(error)) return error;
  const missing = /Kernel '(\w+)' not registered/.exec(error.message);
  if (missing)
    return new VlmR1Error("unsupported", `${name}: kernel ${missing[1]} cannot be recorded.`, {
      cause: error,
    });
  const flat = /gradient function not found for (\w+)/.exec(error.message);
  if (flat) {
    return new VlmR1Error(
      "unsupported",
      `${name}: TensorFlow.js has no gradient of ${flat[1]}. Apply stopGradient to its operands if none is wanted.`,
      { cause: error },
    );
  }
  return error;
}
