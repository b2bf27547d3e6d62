import type * as tf from "@tensorflow/tfjs-core";
import type { PluginOption } from "./pjrt/plugin-kinds.ts";
import type { Narrow, Precision } from "./precision.ts";

/** Element types of tensors on a device. Booleans are one byte each. */
export type DType = "float32" | "int32" | "bool";

/** What computes: `cpu` ONNX Runtime, `pjrt` a plugin for an accelerator, `tensorflow` libtensorflow. */
export type DeviceKind = "cpu" | "pjrt" | "tensorflow";

/** Elements in host memory: `float32`, `int32` and `bool` in this order. */
export type HostData = Float32Array | Int32Array | Uint8Array;

/**
 * A tensor that stays where the engine computes, between calls.
 * On `cpu` it is a view of host memory and costs nothing; on `tensorflow` it is (a part of) a handle on the device.
 */
export interface DeviceTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  /** How the elements lie in memory. `float32` for everything that was not asked for otherwise, or where the device knows nothing narrower. */
  readonly precision: Precision;
  /** Bytes that the elements take. */
  readonly bytes: number;
  /**
   * The elements, row-major. On `cpu` this is the live memory itself, not a copy: a later call that writes into this
   * tensor changes it. What is stored in fewer bits is widened into a new array. Throws `VlmR1Error` after `dispose`.
   */
  read(): Promise<HostData>;
  /**
   * Overwrites elements from `offset` (in elements, default 0). Throws `VlmR1Error` if type or length do not fit, or if the tensor is
   * stored in fewer bits than float32: such tensors are frozen.
   */
  write(data: HostData, offset?: number): void;
  /** The same memory under another shape with as many elements, for example `[4, 3]` of a `[12]`. */
  reshape(shape: readonly number[]): DeviceTensor;
  /** Gives the memory up. Views made by `pack` share memory: it is freed with the last of them. Idempotent. */
  dispose(): void;
}

/** What a compiled function takes where the recorded function takes a `tf.Tensor`. A number becomes a float32 scalar. */
export type TensorLike = DeviceTensor | tf.Tensor | number;

/** The arguments of a function of tensor trees, as its compiled form takes them. */
export type ArgumentTree<T> = T extends tf.Tensor
  ? TensorLike
  : T extends object
    ? { readonly [K in keyof T]: ArgumentTree<T[K]> }
    : T;

/** The result of a function of tensor trees, as its compiled form returns it. */
export type ResultTree<T> = T extends tf.Tensor
  ? DeviceTensor
  : T extends object
    ? { [K in keyof T]: ResultTree<T[K]> }
    : T;

/** A tree of given memory for a result: every leaf or branch may be left out (`undefined`), which allocates it. */
export type TargetTree<T> = T extends tf.Tensor
  ? DeviceTensor | undefined
  : T extends object
    ? { readonly [K in keyof T]?: TargetTree<T[K]> | undefined }
    : T | undefined;

/** A tree of shapes, for example `{ weight: [64, 32], bias: [32] }`. Arrays of numbers are leaves. */
export type ShapeTree = readonly number[] | readonly ShapeTree[] | { readonly [name: string]: ShapeTree };

/** The tensors of a tree of shapes. */
export type PackedViews<S> = ShapeTree extends S
  ? unknown // a tree whose structure is known only at run time
  : S extends readonly number[]
    ? DeviceTensor
    : S extends object
      ? { [K in keyof S]: PackedViews<S[K]> }
      : never;

/** One buffer with named views: how parameters, gradients and moments are kept. */
export interface Packed<S> {
  /** All elements in one row, `[n]`, in the order of the tree. */
  readonly flat: DeviceTensor;
  /** Views of `flat` in the shapes of the tree; a write through either is seen by both. */
  readonly views: PackedViews<S>;
}

/** How a function is compiled. */
export interface CompileOptions {
  /** Shown in errors and by `describe`. Default: the name of the function. */
  readonly name?: string;
  /**
   * Positions of arguments whose values never change, for example frozen weights of a decode step. They are baked into
   * the program (mapped from a file when large), which pays when few rows meet large matrices. Other tensors at the same
   * place make another program; writing into a baked tensor has no effect.
   */
  readonly constant?: readonly number[];
  /**
   * Positions of arguments that the call uses up: their memory is reused for results of the same shape and type where
   * that is proven safe, and they are disposed.
   */
  readonly donate?: readonly number[];
  /**
   * Positions of arguments that are cut along their first axis, one part for each of the engine's `replicas`: the function sees a part. What
   * it returns must be the same on every processor, so results that belong to the parts go through `allSum` or `allGather`.
   */
  readonly split?: readonly number[];
  /** Positions of arguments that hold no tensors: any JSON value, part of the signature. */
  readonly static?: readonly number[];
  /** Programs (one per signature) kept by this function; the least recently used is released. Default 32. */
  readonly cacheSize?: number;
  /**
   * `cpu` only: keep the memory of intermediate results from run to run. False gives it back to the system each time: for large
   * functions that run seldom beside others that need the memory. Default true.
   */
  readonly keepScratch?: boolean;
  /**
   * `cpu` only: products of rows with a matrix that is stored in 8 or 4 bits round the rows to 8 bits, too, in blocks of 32, and add
   * whole numbers: several times faster for few rows, at an error of about half a percent. Default false: the matrix is
   * widened for the product, which is then computed in float32.
   */
  readonly int8Products?: boolean;
  /** `tensorflow` only: compile with XLA. Slower to compile, faster to run. Default: the engine's option. */
  readonly xla?: boolean;
  /** `tensorflow` only: multiply matrices in bfloat16 (results stay float32). Default: the engine's option. */
  readonly bfloat16?: boolean;
}

/** A function that runs at native speed. Calls of one engine run one after another, in the order in which they were made. */
export interface Compiled<Arguments extends readonly unknown[], Result> {
  /** Runs; the results are new tensors that the caller disposes (or leaves to the garbage collector on `cpu`). */
  (...args: ArgumentTree<Arguments>): Promise<ResultTree<Result>>;
  /**
   * Runs and writes the results into `target`, a tree like the result. A target may be an argument too: the result is
   * then written in place where that is proven safe, through a copy where it is not. Returns the filled tree.
   */
  into(target: TargetTree<Result>, ...args: ArgumentTree<Arguments>): Promise<ResultTree<Result>>;
  /** Records and compiles for these arguments without running. */
  prepare(...args: ArgumentTree<Arguments>): Promise<ProgramDescription>;
  /** Releases every program of this function. */
  release(): Promise<void>;
}

/** One compiled signature. */
export interface ProgramDescription {
  readonly name: string;
  /** Types and shapes of the inputs, for example `float32[4,3] int32[4]`. */
  readonly signature: string;
  /** Number of primitive operations. */
  readonly operations: number;
  /** Bytes of baked constants. */
  readonly constantBytes: number;
  /** Estimated bytes of intermediate results alive at once. */
  readonly workBytes: number;
  readonly recordMs: number;
  readonly emitMs: number;
  readonly loadMs: number;
  /** Programs of the device's behind it: compiled, and taken from `programFolder`. */
  readonly compiled: number;
  readonly loaded: number;
  readonly runs: number;
}

/** What runs where. */
export interface EngineDescription {
  readonly device: DeviceKind;
  /** Library that computes, with version, for example `ONNX Runtime 1.30.0`. */
  readonly runtime: string;
  /** Where the library was found. */
  readonly library: string;
  /** Names of the processors that it offers, for example `/device:GPU:0`. */
  readonly processors: readonly string[];
  readonly threads: number;
  readonly worker: boolean;
  readonly xla: boolean;
  readonly bfloat16: boolean;
  /** Processors that compute together. */
  readonly replicas: number;
  /** All that was compiled, or taken from `programFolder`, since the engine was opened, with the seconds that it took. */
  readonly compilation: Compilation;
  /** `pjrt` only. */
  readonly memory: DeviceMemory | undefined;
  readonly programs: readonly ProgramDescription[];
}

/** Memory of a device. */
export interface DeviceMemory {
  /** Buffers of this engine that are alive. */
  readonly buffers: number;
  /** Bytes in use, the most so far, and what there is, of the first processor, where its plugin counts them. */
  readonly inUse: number | undefined;
  readonly peak: number | undefined;
  readonly limit: number | undefined;
}

/** How many programs were made ready. */
export interface Compilation {
  readonly compiled: number;
  readonly loaded: number;
  readonly seconds: number;
}

/** How an engine is opened. */
export interface EngineOptions {
  /** `cpu` (default): ONNX Runtime, no set-up. `tensorflow`: libtensorflow, for GPUs and bfloat16. */
  readonly device?: DeviceKind;
  /** Threads inside one operation. Default: the processors of the machine. */
  readonly threads?: number;
  /** Bytes that programs (constants and intermediate results, estimated) may hold before the least recently used is released. */
  readonly memoryLimit?: number;
  /** `cpu` only: compute in a worker thread so that the event loop stays free. `read` then copies. Default false. */
  readonly worker?: boolean;
  /**
   * `pjrt` only: which plugin, `cuda` (NVIDIA), `rocm` (AMD), `tpu`, `metal` (Apple), `oneapi` (Intel), or the path of a library that exports
   * `GetPjrtApi`. Default: the first of these that is installed.
   */
  readonly plugin?: string;
  /** `pjrt` only: options of the plugin's client, for example `{ memory_fraction: 0.9 }`. GPUs do not preallocate unless asked. */
  readonly pluginOptions?: Readonly<Record<string, PluginOption>>;
  /** `pjrt` only: `site-packages` folders to look for plugins in. Default: those of `python3`. `pluginFolders(env)` finds more. */
  readonly pluginFolders?: readonly string[];
  /** `tensorflow` only: folder with `libtensorflow_cc.so.2` or `libtensorflow.so.2`. Default: searched for. */
  readonly library?: string;
  /** `tensorflow` only: default of `CompileOptions.xla`. */
  readonly xla?: boolean;
  /** `tensorflow` only: default of `CompileOptions.bfloat16`. */
  readonly bfloat16?: boolean;
  /**
   * `pjrt` only: a folder that keeps compiled programs for the next run; only what somebody you trust has written there may be in it, since it
   * is machine code. Default: none.
   */
  readonly programFolder?: string;
  /**
   * `pjrt` only: processors of one machine that compute together, 1 by default. Each holds every tensor; arguments listed in `split` are cut
   * between them, and `allSum` adds what they computed.
   */
  readonly replicas?: number;
  /** A folder into which every program is written as text when it is made: its name, signature, and a line for each operation. */
  readonly dump?: string;
  /** Elements that a tensor captured by closure may have before it is an error. Default 1024. */
  readonly captureLimit?: number;
}

/** Compiles and runs functions of tensor trees on one device. */
export interface Engine {
  readonly device: DeviceKind;
  /**
   * A tensor from host data or a TensorFlow.js tensor. On `cpu` typed arrays are not copied: the tensor IS that memory.
   * The type follows the array: Float32Array float32, Int32Array int32, Uint8Array bool. A number is a float32 scalar.
   *
   * With `precision`, float32 elements are rounded to what it can hold and stored so, frozen: for weights that are not trained. What
   * `narrow` made is stored as it is. Functions compute with both in float32, so that a device without such a storage gives the same numbers.
   */
  tensor(data: HostData | tf.Tensor | number, shape?: readonly number[], precision?: Precision): DeviceTensor;
  tensor(data: Narrow): DeviceTensor;
  /** A tensor of zeros, float32 unless `dtype` says otherwise. */
  zeros(shape: readonly number[], dtype?: DType): DeviceTensor;
  /** One float32 buffer with a view for each shape; zeros, or `data` (on `cpu` not copied). */
  pack<const S extends ShapeTree>(shapes: S, data?: Float32Array): Packed<S>;
  /** Compiles a pure function of trees (objects, arrays) of tensors. Nothing is recorded before the first call. */
  compile<Arguments extends readonly unknown[], Result>(
    fn: (...args: Arguments) => Result,
    options?: CompileOptions,
  ): Compiled<Arguments, Result>;
  /** What runs where, and every program that is loaded. */
  describe(): EngineDescription;
  /** Releases every program and everything on the device. Idempotent. */
  dispose(): Promise<void>;
}
