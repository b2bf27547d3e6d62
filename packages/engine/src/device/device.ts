import type { DeviceKind, DeviceMemory, DType, HostData } from "../engine-types.ts";
import type { Narrow, Precision } from "../precision.ts";
import type { RecordedGraph, Site } from "../graph/node.ts";

/** Memory of a device: one row of elements that tensors are views of. */
export interface Storage {
  readonly dtype: DType;
  readonly length: number;
  /** How the elements lie; default `float32`. What is stored in fewer bits never changes, and is seen whole. */
  readonly precision?: Precision;
  /** Programs that take it have it built in, whether or not it was declared constant; another tensor makes another program. */
  readonly builtIn?: boolean;
  /** Tensors that view it. The device frees it when none is left. */
  references: number;
}

/** Elements of a storage from `offset`, seen under a shape: what a device tensor is to the device. */
export interface TensorView {
  readonly id: number;
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly size: number;
  readonly precision: Precision;
  /** Type (or how it is stored) and shape in one word. */
  readonly signature: string;
  /** What the device keeps for this view, for example the runtime's own tensor object. */
  native?: unknown;
  disposed: boolean;
}

/**
 * A graph and the values that are baked into it. Inputs say how they are stored (`attributes.precision`): a product reads the storage, and
 * everything else reads the widened elements.
 */
export interface LoadRequest {
  readonly name: string;
  readonly graph: RecordedGraph;
  /** Inputs whose values never change, by index. */
  readonly constants: ReadonlyMap<number, TensorView>;
  readonly keepScratch: boolean;
  /** Inputs that are cut along their first axis between the processors; the graph sees a part. */
  readonly split: ReadonlySet<number>;
  /** See `CompileOptions`. */
  readonly int8Products: boolean;
  readonly xla: boolean;
  readonly bfloat16: boolean;
  /** Writes what the device makes of the graph, if programs are written to a folder. */
  readonly dump?: ((extension: string, text: string) => void) | undefined;
  /** Where the node with this id was recorded; for explaining an error. */
  whereRecorded(id: number): Site | undefined;
}

/** Time spent on programs, and where they came from. */
export interface Effort {
  emitMs: number;
  loadMs: number;
  /** Programs of the device's that were compiled, and those taken from an earlier run. */
  compiled: number;
  loaded: number;
}

/** A graph that is ready to run. */
export interface Program {
  readonly operations: number;
  /** What was done so far to make it ready. It grows where programs are made by the first call with a layout of memory. */
  readonly effort: Effort;
  /** Bytes of intermediate results that a call needs, where the device says so. */
  readonly scratchBytes?: number;
  /** Runs; `targets[i]` receives output i, or new memory if undefined. Returns a view per output. */
  run(
    inputs: readonly TensorView[],
    targets: readonly (TensorView | undefined)[],
  ): Promise<readonly TensorView[]>;
  /** Compiles for these arguments without running, where that needs to know them. */
  prepare?(inputs: readonly TensorView[], targets: readonly (TensorView | undefined)[]): Promise<void>;
  release(): Promise<void>;
}

/** Something that stores tensors and runs graphs. */
export interface Device {
  readonly kind: DeviceKind;
  readonly runtime: string;
  readonly library: string;
  readonly processors: readonly string[];
  readonly threads: number;
  /** What its tensors take, where memory is not the host's. */
  memory?(): DeviceMemory;
  /** Processors that compute together; each holds every tensor. Default 1. */
  readonly replicas?: number;
  /** Whether constants become part of a program. Elsewhere they are inputs like the others. */
  readonly bakes: boolean;
  /** Stores elements; may keep the array itself. */
  store(data: HostData): Storage;
  /** Stores elements in few bits; undefined when the device has no such storage: they are then widened and stored in float32. */
  storeNarrow?(elements: Narrow): Storage | undefined;
  zeros(dtype: DType, length: number): Storage;
  read(view: TensorView): Promise<HostData>;
  write(view: TensorView, data: HostData, offset: number): void;
  free(storage: Storage): void;
  load(request: LoadRequest): Promise<Program>;
  dispose(): Promise<void>;
}
