import { VlmR1Error } from "@vlmr1/core";
import koffi from "koffi";

/** An address in native memory: an object of the plugin's, or memory of ours. */
export type Address = bigint;

/**
 * The functions of the PJRT C API that are called here: slot in `PJRT_Api`, then the fields of the argument structure.
 *
 * Slot 0 is `struct_size`, 1 `extension_start`, 2 to 4 the version. Every field used here begins on a multiple of 8 bytes, so a structure is
 * a row of 64-bit words: word 0 `struct_size`, word 1 `extension_start`, then these. A name that ends in `:4` is a 32-bit last field. The
 * interface only ever grows at the end, so the numbers hold for every later version.
 * https://github.com/openxla/xla/blob/main/xla/pjrt/c/pjrt_c_api.h
 */
const functions = {
  Error_Destroy: [5, "error"],
  Error_Message: [6, "error message size"],
  Error_GetCode: [7, "error code:4"],
  Plugin_Initialize: [8, ""],
  Plugin_Attributes: [9, "attributes count"],
  Event_Destroy: [10, "event"],
  Event_Await: [13, "event"],
  Event_OnReady: [14, "event callback argument"],
  Client_Create: [15, "options count kv_get kv_get_arg kv_put kv_put_arg client kv_try_get kv_try_get_arg"],
  Client_Destroy: [16, "client"],
  Client_PlatformName: [17, "client text size"],
  Client_PlatformVersion: [19, "client text size"],
  Client_AddressableDevices: [21, "client devices count"],
  Client_Compile: [25, "client program options options_size executable"],
  Client_BufferFromHostBuffer: [
    27,
    "client data type dims rank strides strides_count semantics device memory layout done buffer",
  ],
  DeviceDescription_Kind: [31, "description text size"],
  DeviceDescription_ToString: [33, "description text size"],
  Device_GetDescription: [34, "device description"],
  Device_MemoryStats: [
    39,
    "device in_use peak peak_set allocations allocations_set largest largest_set limit limit_set reserved reserved_set " +
      "peak_reserved peak_reserved_set reservable reservable_set free_block free_block_set pool pool_set peak_pool peak_pool_set",
  ],
  Executable_Destroy: [45, "executable"],
  Executable_Serialize: [54, "executable bytes size owner deleter"],
  LoadedExecutable_Destroy: [55, "executable"],
  LoadedExecutable_GetExecutable: [56, "loaded executable"],
  LoadedExecutable_Execute: [60, "executable options arguments devices argument_count outputs events device"],
  Executable_DeserializeAndLoad: [61, "client bytes size executable options options_size"],
  Buffer_Destroy: [63, "buffer"],
  Buffer_IsDeleted: [73, "buffer deleted"],
  Buffer_ToHostBuffer: [75, "buffer layout data size event"],
  Buffer_OpaqueDeviceMemoryDataPointer: [81, "buffer pointer"],
  Client_CreateViewOfDeviceBuffer: [
    98,
    "client pointer dims rank type layout device on_delete on_delete_arg stream buffer memory",
  ],
  Executable_GetCompiledMemoryStats: [
    101,
    "executable code arguments outputs alias temp host_code host_arguments host_outputs host_alias host_temp peak",
  ],
} as const satisfies Record<string, readonly [slot: number, fields: string]>;

type Words<S extends string> = S extends `${infer First} ${infer Rest}` ? First | Words<Rest> : S;
export type FunctionName = keyof typeof functions;
type Field<N extends FunctionName> = Words<(typeof functions)[N][1]>;
type Fields<N extends FunctionName> = Partial<Record<Field<N>, Address | number>>;

/** PJRT_Buffer_Type. */
export const bufferTypes = { i1: 1, i32: 4, ui8: 6, ui32: 8, f32: 11, bf16: 13 } as const;

/** A block of native memory seen as 64-bit words. */
export interface Block {
  readonly address: Address;
  readonly words: BigUint64Array;
}

/** Native memory of `count` words, zeroed. Given back with `freeNative`. */
export function allocateBlock(count: number): Block {
  const address = koffi.alloc("uint64_t", Math.max(1, count)) as bigint;
  const words = new BigUint64Array(koffi.view(address, Math.max(1, count) * 8));
  words.fill(0n);
  return { address, words };
}

/** A native copy of bytes. Given back with `freeNative`. */
export function nativeBytes(bytes: Uint8Array): { readonly address: Address; readonly size: number } {
  const { address } = allocateBlock(Math.ceil(bytes.length / 8));
  if (bytes.length > 0) new Uint8Array(koffi.view(address, bytes.length)).set(bytes);
  return { address, size: bytes.length };
}

export function freeNative(...blocks: readonly { readonly address: Address }[]): void {
  for (const { address } of blocks) koffi.free(address);
}

/** Bytes at an address, copied. */
export function bytesAt(address: Address, size: number): Uint8Array {
  return size === 0 ? new Uint8Array(0) : new Uint8Array(koffi.view(address, size)).slice();
}

/** 64-bit words at an address, copied. */
export function wordsAt(address: Address, count: number): bigint[] {
  return count === 0 ? [] : [...new BigUint64Array(koffi.view(address, count * 8))];
}

/** The address of an array's memory, which must stay referenced while it is used. */
export function addressOf(data: ArrayBufferView): Address {
  return koffi.address(data) as bigint;
}

/**
 * A native function that may be called with any arguments, from any thread, and does nothing: `labs` of the C library, whose result
 * nobody looks at. Some callbacks are called even where the header lets them be null.
 */
export function inertCallback(): Address {
  return koffi.load(null).symbol("labs") as Address;
}

/** Text at an address. */
export function textAt(address: Address, size: bigint): string {
  return Buffer.from(bytesAt(address, Number(size))).toString("utf8");
}

/** What a function filled in. */
export type Result<N extends FunctionName> = (field: Field<N>) => bigint;

/** A loaded plugin. */
export interface Plugin {
  readonly file: string;
  /** Of the C API, for example `[0, 115]`. */
  readonly version: readonly [major: number, minor: number];
  /** Calls a function and says what it filled in; that can be read until the next call. */
  call<N extends FunctionName>(name: N, fields?: Fields<N>): Result<N>;
  /** Calls a function on a thread of Node's pool, so that the event loop stays free. */
  callAsync<N extends FunctionName>(name: N, fields: Fields<N>): Promise<Result<N>>;
  /** Throws what an error object says, and destroys it. Zero is no error. */
  check(what: string, error: Address | null): void;
}

type Native = ((args: bigint) => bigint | null) & {
  async: (args: bigint, done: (failure: unknown, error: bigint | null) => void) => void;
};

/** Functions decoded from pointers do not keep their library: collected, it would be unmapped under them. */
const loadedLibraries: unknown[] = [];

/** Loads a library for good, its symbols visible to libraries that are loaded later if `global`. */
export function loadLibrary(file: string, global = false): ReturnType<typeof koffi.load> {
  const library = koffi.load(file, { lazy: true, global });
  loadedLibraries.push(library);
  return library;
}

/**
 * Loads a plugin: any shared library that exports `GetPjrtApi`.
 *
 * @throws VlmR1Error `unavailable` when it cannot be loaded or is no plugin.
 */
export function openPlugin(file: string): Plugin {
  const slots = readTable(file);
  const version = [Number(slots[4]! & 0xffffffffn), Number(slots[4]! >> 32n)] as const;
  const prototype = koffi.proto("void*", ["void*"]);
  const bound = new Map<FunctionName, Native>();
  const native = (name: FunctionName): Native => {
    let found = bound.get(name);
    if (found) return found;
    const pointer = slots[functions[name][0]] ?? 0n;
    if (pointer === 0n) throw new Error(`The plugin (PJRT ${version.join(".")}) has no PJRT_${name}.`);
    found = koffi.decode(pointer, prototype) as Native;
    bound.set(name, found);
    return found;
  };
  const scratch = allocateBlock(32);
  const spare = allocateBlock(32); // for errors, so that the scratch stays readable
  const check = (what: string, error: Address | null): void => {
    if (error === null || error === 0n) return;
    native("Error_Message")(fill("Error_Message", spare, { error }));
    const message = textAt(spare.words[3]!, spare.words[4]!);
    native("Error_GetCode")(fill("Error_GetCode", spare, { error }));
    const code = Number(spare.words[3]! & 0xffffffffn);
    native("Error_Destroy")(fill("Error_Destroy", spare, { error }));
    throw new Error(`${what} (${code}): ${message}`);
  };
  return {
    file,
    version,
    check,
    call(name, fields = {}) {
      check(`PJRT_${name}`, native(name)(fill(name, scratch, fields)));
      return resultOf(name, scratch);
    },
    callAsync: (name, fields) =>
      new Promise((resolve, reject) => {
        const block = allocateBlock(32);
        native(name).async(fill(name, block, fields), (failure, error) => {
          try {
            if (failure) throw failure as Error;
            check(`PJRT_${name}`, error);
            const words = block.words.slice();
            resolve(resultOf(name, { words }));
          } catch (problem) {
            reject(problem as Error);
          } finally {
            freeNative(block);
          }
        });
      }),
  };
}

function readTable(file: string): BigUint64Array {
  let api: Address;
  try {
    api = loadLibrary(file).func("void* GetPjrtApi()")() as Address;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new VlmR1Error("unavailable", `${file} cannot be loaded as a PJRT plugin: ${reason}`, {
      cause: error,
    });
  }
  const [size] = wordsAt(api, 1);
  return BigUint64Array.from(wordsAt(api, Math.floor(Number(size) / 8)));
}

const fieldNames = Object.fromEntries(
  Object.entries(functions).map(([name, [, fields]]) => [name, fields === "" ? [] : fields.split(" ")]),
) as unknown as Readonly<Record<FunctionName, readonly string[]>>;

function fill(name: FunctionName, { address, words }: Block, fields: object): Address {
  const names = fieldNames[name];
  const short = names.at(-1)?.endsWith(":4") ? 4 : 0;
  words[0] = BigInt(8 * (2 + names.length) - short);
  words[1] = 0n;
  names.forEach((field, k) => {
    words[k + 2] = BigInt((fields as Record<string, bigint | number | undefined>)[field] ?? 0n);
  });
  return address;
}

function resultOf<N extends FunctionName>(name: N, { words }: Pick<Block, "words">): Result<N> {
  return (field) => words[2 + fieldNames[name].indexOf(field)]!;
}

/** The value of an option of a client, or of an attribute of a plugin. Numbers are integers. */
export type NamedValue = string | number | boolean | readonly number[] | { readonly float: number };

const namedValueWords = 7;

/** Writes `PJRT_NamedValue[]` for as long as `use` runs. */
export function withNamedValues<T>(
  values: Readonly<Record<string, NamedValue>>,
  use: (list: { readonly address: Address; readonly count: number }) => T,
): T {
  const entries = Object.entries(values);
  const list = allocateBlock(namedValueWords * entries.length);
  const blocks: { readonly address: Address }[] = [list];
  const keep = (bytes: Uint8Array): Address => {
    const block = nativeBytes(bytes);
    blocks.push(block);
    return block.address;
  };
  entries.forEach(([name, value], k) => {
    const head = [56n, 0n, keep(Buffer.from(name)), BigInt(Buffer.byteLength(name))];
    list.words.set([...head, ...valueWords(value, keep)], namedValueWords * k);
  });
  try {
    return use({ address: list.address, count: entries.length });
  } finally {
    freeNative(...blocks);
  }
}

/** Type (0 text, 1 int64, 2 list of int64, 3 float, 4 bool), value, and number of values. */
function valueWords(value: NamedValue, keep: (bytes: Uint8Array) => Address): bigint[] {
  if (typeof value === "string") return [0n, keep(Buffer.from(value)), BigInt(Buffer.byteLength(value))];
  if (typeof value === "boolean") return [4n, value ? 1n : 0n, 1n];
  if (typeof value === "number") return [1n, BigInt.asUintN(64, BigInt(value)), 1n];
  if ("float" in value) return [3n, BigInt(new Uint32Array(Float32Array.of(value.float).buffer)[0]!), 1n];
  const list = BigInt64Array.from(value, (x) => BigInt(x));
  return [2n, keep(new Uint8Array(list.buffer)), BigInt(value.length)];
}

/** The attributes that a plugin gives of itself, such as `stablehlo_current_version`. */
export function pluginAttributes(plugin: Plugin): Record<string, string> {
  const result = plugin.call("Plugin_Attributes");
  const [at, count] = [result("attributes"), Number(result("count"))];
  const words = wordsAt(at, namedValueWords * count);
  const read = ([, , name, nameSize, type, value, size]: bigint[]): [string, string] => {
    const kind = type! & 0xffffffffn;
    const list = kind === 2n ? wordsAt(value!, Number(size)).map((x) => BigInt.asIntN(64, x)) : [];
    return [
      textAt(name!, nameSize!),
      kind === 0n ? textAt(value!, size!) : kind === 2n ? list.join(".") : String(value),
    ];
  };
  return Object.fromEntries(
    Array.from({ length: count }, (_, k) =>
      read(words.slice(namedValueWords * k, namedValueWords * (k + 1))),
    ),
  );
}
