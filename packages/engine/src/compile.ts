import type * as tf from "@tensorflow/tfjs-core";
import { fillSkeleton, flattenArguments, skeletonOf, type FlatArguments } from "./arguments.ts";
import type { Device, Effort, Program, TensorView } from "./device/device.ts";
import { viewBytes, viewOf } from "./device/view.ts";
import { deviceTensor, disposeView, isDeviceTensor, viewBehind } from "./device-tensor.ts";
import { VlmR1Error } from "@vlmr1/core";
import type { Compiled, CompileOptions, ProgramDescription } from "./engine-types.ts";
import { inPlaceProof } from "./graph/in-place.ts";
import { graphText } from "./graph/graph-text.ts";
import { isNarrow, liveNodes, type RecordedGraph, type Site } from "./graph/node.ts";
import { workBytes } from "./graph/work-bytes.ts";
import { signatureOf, sizeOf } from "./host-data.ts";
import type { ProgramCache } from "./program-cache.ts";
import { isOutputSlot, record } from "./record/record.ts";
import { mapLeaves } from "./tree.ts";

/** What compiled functions share in one engine. */
export interface CompileContext {
  readonly device: Device;
  readonly captureLimit: number;
  readonly xla: boolean;
  readonly bfloat16: boolean;
  readonly programs: ProgramCache;
  /** Opens the files of a program, if programs are written to a folder. */
  readonly dump?: ((name: string) => (extension: string, text: string) => void) | undefined;
  /** Runs tasks one after another in the order of the calls. */
  enqueue<T>(task: () => Promise<T>): Promise<T>;
}

/** A program and the tree of its results. */
export interface Entry {
  readonly program: Program;
  readonly graph: RecordedGraph;
  readonly resultTree: unknown;
  /** Output index -> input index whose donated memory it may take. */
  readonly reuse: ReadonlyMap<number, number>;
  readonly description: Omit<ProgramDescription, "runs" | keyof Effort>;
  runs: number;
}

/** A program as `describe` shows it. */
export function describeEntry({ description, program, runs }: Entry): ProgramDescription {
  const workBytes = program.scratchBytes ?? description.workBytes;
  return { ...description, workBytes, ...program.effort, runs };
}

type AnyFunction = (...args: never[]) => unknown;

/** Compiles `fn` for an engine. */
export function compileFunction<Arguments extends readonly unknown[], Result>(
  context: CompileContext,
  fn: (...args: Arguments) => Result,
  options: CompileOptions,
): Compiled<Arguments, Result> {
  const name = options.name ?? (fn.name === "" ? "an anonymous function" : fn.name);
  const owner = {};
  const entryFor = (flat: FlatArguments, args: readonly unknown[]): Promise<Entry> =>
    context.programs.get(owner, flat.key, options.cacheSize ?? 32, () =>
      build(context, fn as AnyFunction, name, options, flat, args),
    );
  const call = async (target: unknown, args: readonly unknown[]): Promise<unknown> => {
    const flat = flattenArguments(context.device, args, options);
    return context.enqueue(async () => {
      const entry = await entryFor(flat, args);
      return runEntry(context.device, entry, { flat, target, options });
    });
  };
  const compiled = (...args: unknown[]): Promise<unknown> => call(undefined, args);
  return Object.assign(compiled, {
    into: (target: unknown, ...args: unknown[]) => call(target, args),
    prepare: async (...args: unknown[]): Promise<ProgramDescription> => {
      const flat = flattenArguments(context.device, args, options);
      return context.enqueue(async () => {
        const entry = await entryFor(flat, args);
        await entry.program.prepare?.(flat.views, targetsOf(entry, flat));
        return describeEntry(entry);
      });
    },
    release: () => context.enqueue(() => context.programs.release(owner)),
  }) as unknown as Compiled<Arguments, Result>;
}

async function build(
  context: CompileContext,
  fn: AnyFunction,
  name: string,
  options: CompileOptions,
  flat: FlatArguments,
  args: readonly unknown[],
): Promise<Entry> {
  const started = performance.now();
  const { device, dump } = context;
  const skeleton = skeletonOf(args, options);
  const call = (tensors: tf.Tensor[]): unknown => {
    let next = 0;
    return fn(...(fillSkeleton(skeleton, options, () => tensors[next++]!) as never[]));
  };
  const split = splitIndices(flat, options);
  const specs = flat.views.map(({ shape, dtype, precision }, index) => ({
    shape: split.has(index) ? partShape(shape, device.replicas ?? 1, name) : shape,
    dtype,
    precision,
  }));
  const recordOptions = { name, captureLimit: context.captureLimit, replicas: device.replicas ?? 1 };
  const { graph, resultTree } = record(call, specs, { ...recordOptions, keepSites: dump !== undefined });
  const recordMs = performance.now() - started;
  const constants = constantViews(device, flat, options);
  const signature = flat.views.map((view) => view.signature).join(" ");
  const write = dump?.(name);
  write?.("txt", graphText(graph, name, signature));
  const program = await device.load({
    name,
    graph,
    constants,
    keepScratch: options.keepScratch ?? true,
    int8Products: options.int8Products ?? false,
    xla: options.xla ?? context.xla,
    bfloat16: options.bfloat16 ?? context.bfloat16,
    split,
    dump: write,
    whereRecorded: (id) => findSite(record(call, specs, { ...recordOptions, keepSites: true }).graph, id),
  });
  const constantBytes = [...constants.values()].reduce((sum, view) => sum + viewBytes(view), 0);
  const description = {
    name,
    signature,
    operations: program.operations,
    constantBytes,
    workBytes: workBytes(graph.outputs),
    recordMs,
  };
  return { program, graph, resultTree, reuse: planReuse(graph, flat, options), description, runs: 0 };
}

function findSite(graph: RecordedGraph, id: number): Site | undefined {
  return liveNodes(graph.outputs).find((node) => node.id === id)?.site;
}

function constantViews(
  device: Device,
  flat: FlatArguments,
  options: CompileOptions,
): Map<number, TensorView> {
  const { views } = flat;
  const builtIn = Array.from(views.entries()).filter(([, view]) => view.storage.builtIn === true);
  const declared = device.bakes ? indicesOf(flat, options.constant) : [];
  return new Map([...builtIn, ...declared.map((index) => [index, views[index]!] as const)]);
}

/** The tensors of the arguments at some positions. */
function indicesOf({ starts }: FlatArguments, positions: readonly number[] = []): number[] {
  return positions.flatMap((position) =>
    Array.from({ length: starts[position + 1]! - starts[position]! }, (_, k) => starts[position]! + k),
  );
}

function splitIndices(flat: FlatArguments, { split }: CompileOptions): ReadonlySet<number> {
  return new Set(indicesOf(flat, split));
}

/** The shape that one of `replicas` processors sees of an argument that is cut along its first axis. */
function partShape([rows, ...rest]: readonly number[], replicas: number, name: string): number[] {
  if (rows !== undefined && rows % replicas === 0) return [rows / replicas, ...rest];
  throw new VlmR1Error(
    "invalid-argument",
    `${name}: an argument of shape [${[rows, ...rest].join(", ")}] cannot be split between ${replicas} processors. ` +
      `Pad its first axis to a multiple of ${replicas}.`,
  );
}

/** Pairs outputs with donated inputs of the same shape and type whose memory they may overwrite. */
function planReuse(graph: RecordedGraph, flat: FlatArguments, options: CompileOptions): Map<number, number> {
  const reuse = new Map<number, number>();
  const free = new Set(indicesOf(flat, options.donate));
  const proof = inPlaceProof(graph.outputs);
  graph.outputs.forEach((output, index) => {
    const updated = graph.updates.get(output);
    for (const candidate of free) {
      const input = graph.inputs[candidate]!;
      if (sizeOf(input.shape) === 0 || isNarrow(input)) continue;
      if (updated ? updated.target === input : proof(input, output)) {
        reuse.set(index, candidate);
        free.delete(candidate);
        return;
      }
    }
  });
  return reuse;
}

interface Run {
  readonly flat: FlatArguments;
  readonly target: unknown;
  readonly options: CompileOptions;
}

async function runEntry(device: Device, entry: Entry, { flat, target, options }: Run): Promise<unknown> {
  const given = new Map<number, unknown>();
  const targets = targetsOf(entry, flat, (found) => {
    if (target !== undefined) collectTargets(device, entry, target, found, given);
  });
  const results = [...(await entry.program.run(flat.views, targets))];
  entry.runs += 1;
  for (const [output, input] of entry.reuse) {
    // The memory lives on under the result; the donated tensor itself is used up.
    if (results[output] === flat.views[input])
      results[output] = viewOf(results[output]!.storage, results[output]!.shape, results[output]!.offset);
  }
  const kept = new Set(Array.from(given.keys(), (output) => targets[output])); // a target that is donated too stays a result
  for (const index of indicesOf(flat, options.donate)) {
    if (!kept.has(flat.views[index])) disposeView(device, flat.views[index]!);
  }
  for (const view of flat.temporary) disposeView(device, view);
  return mapLeaves(entry.resultTree, isOutputSlot, (leaf) =>
    isOutputSlot(leaf) ? (given.get(leaf.output) ?? deviceTensor(device, results[leaf.output]!)) : leaf,
  );
}

/** The memory for each output: what `given` fills in, else donated memory where that is safe. */
function targetsOf(
  { graph, reuse }: Entry,
  { views }: FlatArguments,
  given?: (targets: (TensorView | undefined)[]) => void,
): (TensorView | undefined)[] {
  const targets: (TensorView | undefined)[] = Array.from({ length: graph.outputs.length });
  given?.(targets);
  for (const [output, input] of reuse) targets[output] ??= views[input];
  return targets;
}

/** Finds the memory that `target` gives for each output. */
function collectTargets(
  device: Device,
  entry: Entry,
  target: unknown,
  targets: (TensorView | undefined)[],
  given: Map<number, unknown>,
): void {
  const walk = (slot: unknown, place: unknown, path: string): void => {
    if (place === undefined || place === null) return;
    if (isOutputSlot(slot)) {
      const output = entry.graph.outputs[slot.output]!;
      if (!isDeviceTensor(place)) throw badTarget(path, "is not a device tensor");
      const view = viewBehind(place, device);
      const fits = view.signature === signatureOf(output.dtype, output.shape);
      if (!fits)
        throw badTarget(path, `is ${view.signature}, the result ${output.dtype}[${output.shape.join(",")}]`);
      targets[slot.output] = view;
      given.set(slot.output, place);
    } else if (typeof slot === "object" && slot !== null && typeof place === "object") {
      for (const [key, inner] of Object.entries(place)) {
        if (!(key in slot)) throw badTarget(`${path}.${key}`, "has no counterpart in the result");
        walk((slot as Record<string, unknown>)[key], inner, `${path}.${key}`);
      }
    }
  };
  walk(entry.resultTree, target, "target");
}

function badTarget(path: string, problem: string): VlmR1Error {
  return new VlmR1Error(
    "invalid-argument",
    `Cannot write a result: ${path} ${problem}. Give it the tree and the shapes of the result.`,
  );
}
