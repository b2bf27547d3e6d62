import { VlmR1Error } from "@vlmr1/core";
import koffi from "koffi";
import type { DType, HostData } from "../engine-types.ts";
import { bytesOf } from "../host-data.ts";
import { bytes, encode, int, message } from "../protobuf.ts";
import type { TensorFlowLibrary } from "./find-library.ts";

/** An opaque C pointer. */
export type Pointer = object | bigint | null;

/** The few calls of TensorFlow's C API that a functional device needs. */
export interface TensorFlow {
  readonly version: string;
  /** Device names, for example `/job:localhost/replica:0/task:0/device:CPU:0`. */
  readonly devices: readonly string[];
  /** Copies elements to the device as a `[n]` tensor. */
  upload(data: HostData): Pointer;
  /** Copies elements to the host. */
  download(handle: Pointer, dtype: DType): HostData;
  free(handle: Pointer): void;
  /** Makes a GraphDef callable as an operation. */
  define(name: string, graph: Uint8Array, inputs: readonly string[], outputs: readonly string[]): void;
  undefine(name: string): void;
  /** Calls a defined function on a thread of its own. */
  call(name: string, inputs: readonly Pointer[], outputs: number, xla: boolean): Promise<Pointer[]>;
  close(): void;
}

/** TF_DataType. */
export const dataTypes = { float32: 1, int32: 3, bool: 10, bfloat16: 14 } as const;

const signatures = {
  version: "const char* TF_Version()",
  newStatus: "void* TF_NewStatus()",
  deleteStatus: "void TF_DeleteStatus(void*)",
  code: "int TF_GetCode(void*)",
  text: "const char* TF_Message(void*)",
  contextOptions: "void* TFE_NewContextOptions()",
  setConfig: "void TFE_ContextOptionsSetConfig(void*, const void*, size_t, void*)",
  deleteContextOptions: "void TFE_DeleteContextOptions(void*)",
  newContext: "void* TFE_NewContext(void*, void*)",
  deleteContext: "void TFE_DeleteContext(void*)",
  listDevices: "void* TFE_ContextListDevices(void*, void*)",
  deviceCount: "int TF_DeviceListCount(void*)",
  deviceName: "const char* TF_DeviceListName(void*, int, void*)",
  deleteDevices: "void TF_DeleteDeviceList(void*)",
  allocate: "void* TF_AllocateTensor(int, const int64_t*, int, size_t)",
  tensorData: "void* TF_TensorData(void*)",
  tensorBytes: "size_t TF_TensorByteSize(void*)",
  deleteTensor: "void TF_DeleteTensor(void*)",
  newHandle: "void* TFE_NewTensorHandle(void*, void*)",
  copyToDevice: "void* TFE_TensorHandleCopyToDevice(void*, void*, const char*, void*)",
  deleteHandle: "void TFE_DeleteTensorHandle(void*)",
  resolve: "void* TFE_TensorHandleResolve(void*, void*)",
  newGraph: "void* TF_NewGraph()",
  deleteGraph: "void TF_DeleteGraph(void*)",
  newBuffer: "void* TF_NewBufferFromString(const void*, size_t)",
  deleteBuffer: "void TF_DeleteBuffer(void*)",
  importOptions: "void* TF_NewImportGraphDefOptions()",
  deleteImportOptions: "void TF_DeleteImportGraphDefOptions(void*)",
  importGraph: "void TF_GraphImportGraphDef(void*, void*, void*, void*)",
  operation: "void* TF_GraphOperationByName(void*, const char*)",
  toFunction:
    "void* TF_GraphToFunction(void*, const char*, uint8_t, int, void*, int, const Vlmr1Output*, int, const Vlmr1Output*, void*, void*, const char*, void*)",
  addFunction: "void TFE_ContextAddFunction(void*, void*, void*)",
  removeFunction: "void TFE_ContextRemoveFunction(void*, const char*, void*)",
  deleteFunction: "void TF_DeleteFunction(void*)",
  newOp: "void* TFE_NewOp(void*, const char*, void*)",
  deleteOp: "void TFE_DeleteOp(void*)",
  addInput: "void TFE_OpAddInput(void*, void*, void*)",
  setDevice: "void TFE_OpSetDevice(void*, const char*, void*)",
  setBool: "void TFE_OpSetAttrBool(void*, const char*, uint8_t)",
  execute: "void TFE_Execute(void*, _Out_ void**, _Inout_ int*, void*)",
} as const;

// Each call has the types of its C signature, which TypeScript cannot see: this is the seam to the foreign library.
// oxlint-disable-next-line typescript/no-explicit-any
type Call = ((...args: any[]) => any) & { async: (...args: any[]) => void };
type Calls = Readonly<Record<keyof typeof signatures, Call>>;

let outputStruct: unknown;

function bind({ files }: TensorFlowLibrary): Calls {
  outputStruct ??= koffi.struct("Vlmr1Output", { operation: "void*", index: "int" });
  const libraries = files.map((file) => koffi.load(file, { global: true, lazy: true }));
  const api = libraries.at(-1)!;
  const calls = Object.entries(signatures).map(([name, signature]) => [name, api.func(signature)]);
  return Object.fromEntries(calls) as Calls;
}

/** ConfigProto: threads inside and between operations, GPU memory as needed, soft placement. */
function configProto(threads: number): Uint8Array {
  return encode(message(int(2, threads), int(5, 1), bytes(6, int(4, 1)), int(7, 1)));
}

/** Opens libtensorflow. Throws `VlmR1Error` `unavailable` when it cannot be loaded. */
export function openTensorFlow(library: TensorFlowLibrary, threads: number): TensorFlow {
  const c = bindOrExplain(library);
  const status: Pointer = c.newStatus();
  const check = (what: string, given: Pointer = status): void => {
    if (c.code(given) !== 0)
      throw new VlmR1Error("invalid-argument", `TensorFlow: ${what}: ${c.text(given)}`);
  };
  const options = c.contextOptions();
  const config = configProto(threads);
  c.setConfig(options, config, config.length, status);
  const context: Pointer = c.newContext(options, status);
  check("cannot start");
  c.deleteContextOptions(options);
  const devices = listDevices(c, context, status);
  const gpu = devices.find((name) => name.includes("device:GPU"));
  return {
    version: c.version() as string,
    devices,
    upload(data) {
      const handle = newHandle(c, data, status, check);
      if (gpu === undefined || !(data instanceof Float32Array)) return handle;
      const moved = c.copyToDevice(handle, context, gpu, status) as Pointer;
      c.deleteHandle(handle);
      check(`cannot copy ${data.length} elements to ${gpu}`);
      return moved;
    },
    download(handle, dtype) {
      const tensor = c.resolve(handle, status);
      check("cannot read a tensor");
      const view = new Uint8Array(koffi.view(c.tensorData(tensor), Number(c.tensorBytes(tensor))));
      const copy = view.slice().buffer;
      c.deleteTensor(tensor);
      if (dtype === "float32") return new Float32Array(copy);
      return dtype === "int32" ? new Int32Array(copy) : new Uint8Array(copy);
    },
    free: (handle) => void c.deleteHandle(handle),
    define: (name, graph, inputs, outputs) =>
      define(c, { context, status, check }, { name, graph, inputs, outputs }),
    undefine: (name) => void c.removeFunction(context, name, status),
    call: (name, inputs, outputs, xla) => execute(c, context, { name, inputs, outputs, xla, gpu }),
    close: () => {
      c.deleteContext(context);
      c.deleteStatus(status);
    },
  };
}

function bindOrExplain(library: TensorFlowLibrary): Calls {
  try {
    return bind(library);
  } catch (error) {
    throw new VlmR1Error(
      "unavailable",
      `libtensorflow in ${library.folder} cannot be loaded: ${error instanceof Error ? error.message : String(error)}. ` +
        "Install it for this operating system and processor, or use the device `cpu`.",
      { cause: error },
    );
  }
}

function listDevices(c: Calls, context: Pointer, status: Pointer): string[] {
  const list = c.listDevices(context, status);
  const names = Array.from(
    { length: c.deviceCount(list) as number },
    (_, k) => c.deviceName(list, k, status) as string,
  );
  c.deleteDevices(list);
  return names;
}

function newHandle(c: Calls, data: HostData, status: Pointer, check: (what: string) => void): Pointer {
  const type =
    data instanceof Float32Array
      ? dataTypes.float32
      : data instanceof Int32Array
        ? dataTypes.int32
        : dataTypes.bool;
  const tensor = c.allocate(type, BigInt64Array.of(BigInt(data.length)), 1, data.byteLength);
  if (data.byteLength > 0)
    new Uint8Array(koffi.view(c.tensorData(tensor), data.byteLength)).set(bytesOf(data));
  const handle = c.newHandle(tensor, status) as Pointer;
  c.deleteTensor(tensor);
  check("cannot upload a tensor");
  return handle;
}

interface Session {
  readonly context: Pointer;
  readonly status: Pointer;
  readonly check: (what: string) => void;
}

interface Definition {
  readonly name: string;
  readonly graph: Uint8Array;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

function define(
  c: Calls,
  { context, status, check }: Session,
  { name, graph, inputs, outputs }: Definition,
): void {
  const imported = c.newGraph();
  const buffer = c.newBuffer(graph, graph.length);
  const options = c.importOptions();
  c.importGraph(imported, buffer, options, status);
  c.deleteImportOptions(options);
  c.deleteBuffer(buffer);
  check(`cannot import ${name}`);
  const ends = (list: readonly string[]): object[] =>
    list.map((operation) => ({ operation: c.operation(imported, operation), index: 0 }));
  const from = ends(inputs);
  const to = ends(outputs);
  const made = c.toFunction(
    imported,
    name,
    0,
    -1,
    null,
    from.length,
    from,
    to.length,
    to,
    null,
    null,
    null,
    status,
  );
  check(`cannot make a function of ${name}`);
  c.deleteGraph(imported);
  c.addFunction(context, made, status);
  c.deleteFunction(made);
  check(`cannot add ${name}`);
}

interface Invocation {
  readonly name: string;
  readonly inputs: readonly Pointer[];
  readonly outputs: number;
  readonly xla: boolean;
  readonly gpu: string | undefined;
}

function execute(
  c: Calls,
  context: Pointer,
  { name, inputs, outputs, xla, gpu }: Invocation,
): Promise<Pointer[]> {
  const status = c.newStatus();
  const op = c.newOp(context, name, status);
  for (const handle of inputs) c.addInput(op, handle, status);
  if (gpu !== undefined) c.setDevice(op, gpu, status);
  if (xla) c.setBool(op, "_XlaMustCompile", 1);
  const results: Pointer[] = Array.from({ length: outputs }, () => null);
  const count = [outputs];
  return new Promise((resolve, reject) => {
    c.execute.async(op, results, count, status, (error: unknown) => {
      c.deleteOp(op);
      const failed = c.code(status) !== 0;
      const text = failed ? (c.text(status) as string) : "";
      c.deleteStatus(status);
      if (error)
        reject(
          error instanceof Error ? error : new Error("The call into TensorFlow failed.", { cause: error }),
        );
      else if (failed) reject(new Error(text));
      else resolve(results);
    });
  });
}
