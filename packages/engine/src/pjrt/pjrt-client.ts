import { VlmR1Error } from "@vlmr1/core";
import koffi from "koffi";
import {
  addressOf,
  allocateBlock,
  bufferTypes,
  freeNative,
  inertCallback,
  openPlugin,
  pluginAttributes,
  textAt,
  withNamedValues,
  wordsAt,
  type Address,
  type NamedValue,
  type Plugin,
} from "./c-api.ts";
import { compile, deserialize, executable, execute, type Executable } from "./executable.ts";
import { elementBytes, type Element } from "./stablehlo-text.ts";

/** A processor that a plugin offers. */
export interface PjrtProcessor {
  readonly handle: Address;
  /** For example `CpuDevice(id=0)`. */
  readonly name: string;
  /** For example `NVIDIA H100 80GB HBM3`. */
  readonly kind: string;
}

/** Bytes of a processor's memory, where the plugin counts them. */
export interface ProcessorMemory {
  readonly inUse: number;
  readonly peak: number | undefined;
  readonly limit: number | undefined;
}

/** What the device needs of a plugin. Buffers are rows `[n]` on the processor with the given index. */
export interface PjrtClient {
  readonly plugin: Plugin;
  readonly platform: string;
  readonly version: string;
  /** What the plugin says of itself, such as `stablehlo_current_version`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly processors: readonly PjrtProcessor[];
  /** Buffers that are alive. */
  readonly buffers: () => number;
  upload(data: HostArray, element: Element, processor: number): Address;
  /** Fills an array of the buffer's length. */
  download(buffer: Address, data: HostArray): Promise<void>;
  /** The same, blocking the event loop. */
  downloadNow(buffer: Address, data: HostArray): void;
  /** A buffer over a part of another's memory, which must outlive it. */
  view(buffer: Address, part: BufferPart, processor: number): Address;
  /** Where the memory of a buffer lies. */
  pointer(buffer: Address): Address;
  free(buffer: Address): void;
  compile(text: string, options: Uint8Array): Promise<Executable>;
  load(bytes: Uint8Array, options: Uint8Array): Promise<Executable>;
  /** Runs: per processor the buffers of the arguments, and the buffers of the `outputs` results back, when all are done. */
  execute(
    executable: Executable,
    args: readonly (readonly Address[])[],
    outputs: number,
  ): Promise<Address[][]>;
  memory(processor: number): ProcessorMemory | undefined;
  close(): void;
}

/** Elements in host memory: float32, int32, bool, or the bits of bfloat16. */
export type HostArray = Float32Array | Int32Array | Uint8Array | Uint16Array;

/** Elements of a buffer. */
export interface BufferPart {
  readonly element: Element;
  readonly offset: number;
  readonly length: number;
}

/**
 * Opens a plugin's client.
 *
 * @throws VlmR1Error `unavailable` when the plugin finds no processor or cannot start.
 */
export function openClient(file: string, options: Readonly<Record<string, NamedValue>>): PjrtClient {
  const plugin = openPlugin(file);
  const client = createClient(plugin, options);
  const text = (name: "Client_PlatformName" | "Client_PlatformVersion"): string => {
    const result = plugin.call(name, { client });
    return textAt(result("text"), result("size"));
  };
  const processors = listProcessors(plugin, client);
  const events = watchEvents(plugin);
  let alive = 0;
  const made = (buffer: Address): Address => {
    alive += 1;
    return buffer;
  };
  const toHost = (buffer: Address, data: HostArray): Address =>
    plugin.call("Buffer_ToHostBuffer", { buffer, data: addressOf(data), size: data.byteLength })("event");
  const pointer = (buffer: Address): Address =>
    plugin.call("Buffer_OpaqueDeviceMemoryDataPointer", { buffer })("pointer");
  return {
    plugin,
    platform: text("Client_PlatformName"),
    version: text("Client_PlatformVersion"),
    attributes: pluginAttributes(plugin),
    processors,
    buffers: () => alive,
    pointer,
    upload: (data, element, processor) =>
      made(upload(plugin, client, { data, element, device: processors[processor]!.handle })),
    async download(buffer, data) {
      const event = data.length === 0 ? 0n : toHost(buffer, data);
      if (event !== 0n) await events.settled(event);
    },
    downloadNow(buffer, data) {
      if (data.length > 0) awaitEvent(plugin, toHost(buffer, data));
    },
    view(buffer, { element, offset, length }, processor) {
      const dims = allocateBlock(1);
      dims.words[0] = BigInt(length);
      try {
        const result = plugin.call("Client_CreateViewOfDeviceBuffer", {
          client,
          pointer: pointer(buffer) + BigInt(offset * elementBytes[element]),
          dims: dims.address,
          rank: 1,
          type: bufferTypes[element],
          device: processors[processor]!.handle,
          on_delete: inertCallback(),
        });
        return made(result("buffer"));
      } finally {
        freeNative(dims);
      }
    },
    free(buffer) {
      alive -= 1;
      plugin.call("Buffer_Destroy", { buffer });
    },
    compile: async (code, compileOptions) =>
      executable(plugin, await compile(plugin, client, code, compileOptions)),
    load: async (bytes, compileOptions) =>
      executable(plugin, await deserialize(plugin, client, bytes, compileOptions)),
    async execute({ handle }, args, outputs) {
      const results = execute(plugin, handle, args, outputs);
      alive += args.length * outputs;
      await Promise.all(results.events.map((event) => events.settled(event)));
      return results.buffers;
    },
    memory: (processor) => memoryOf(plugin, processors[processor]!.handle),
    close() {
      plugin.call("Client_Destroy", { client });
      events.close();
    },
  };
}

function createClient(plugin: Plugin, options: Readonly<Record<string, NamedValue>>): Address {
  try {
    plugin.call("Plugin_Initialize");
    return withNamedValues(options, ({ address, count }) =>
      plugin.call("Client_Create", { options: address, count })("client"),
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new VlmR1Error("unavailable", `The plugin ${plugin.file} cannot start: ${reason}`, {
      cause: error,
    });
  }
}

function listProcessors(plugin: Plugin, client: Address): PjrtProcessor[] {
  const result = plugin.call("Client_AddressableDevices", { client });
  return wordsAt(result("devices"), Number(result("count"))).map((handle) => {
    const description = plugin.call("Device_GetDescription", { device: handle })("description");
    const text = (name: "DeviceDescription_ToString" | "DeviceDescription_Kind"): string => {
      const said = plugin.call(name, { description });
      return textAt(said("text"), said("size"));
    };
    return { handle, name: text("DeviceDescription_ToString"), kind: text("DeviceDescription_Kind") };
  });
}

function awaitEvent(plugin: Plugin, event: Address): void {
  if (event === 0n) return;
  try {
    plugin.call("Event_Await", { event });
  } finally {
    plugin.call("Event_Destroy", { event });
  }
}

interface Events {
  /** Resolves when what the event stands for is done, and destroys the event. The event loop stays free. */
  settled(event: Address): Promise<void>;
  close(): void;
}

/** Turns the plugin's events into promises. */
function watchEvents(plugin: Plugin): Events {
  const waiting = new Map<number, (error: Address | null) => void>();
  // A callback still to come from a thread of the plugin does not keep Node's event loop alive: this does.
  const alive = setInterval(() => undefined, 2 ** 30).unref();
  let next = 1;
  const prototype = koffi.proto("void", ["void*", "void*"]);
  const callback = koffi.register((error: Address | null, argument: bigint) => {
    const done = waiting.get(Number(argument));
    waiting.delete(Number(argument));
    // Not here: what awaits would run inside this callback, while the plugin's thread waits for it to return.
    setImmediate(() => {
      if (waiting.size === 0) alive.unref();
      done?.(error);
    });
  }, koffi.pointer(prototype)) as Address;
  return {
    settled: (event) =>
      new Promise((resolve, reject) => {
        const argument = next++;
        waiting.set(argument, (error) => {
          try {
            plugin.call("Event_Destroy", { event });
            plugin.check("PJRT", error);
            resolve();
          } catch (problem) {
            reject(problem as Error);
          }
        });
        alive.ref();
        plugin.call("Event_OnReady", { event, callback, argument });
      }),
    close() {
      clearInterval(alive);
      koffi.unregister(callback);
    },
  };
}

/** Copied during the call: PJRT_HostBufferSemantics 0. */
function upload(
  plugin: Plugin,
  client: Address,
  { data, element, device }: { data: HostArray; element: Element; device: Address },
): Address {
  const dims = allocateBlock(1);
  dims.words[0] = BigInt(data.length);
  try {
    const result = plugin.call("Client_BufferFromHostBuffer", {
      client,
      data: data.byteLength === 0 ? dims.address : addressOf(data),
      type: bufferTypes[element],
      dims: dims.address,
      rank: 1,
      semantics: 0,
      device,
    });
    const [buffer, done] = [result("buffer"), result("done")];
    awaitEvent(plugin, done);
    return buffer;
  } finally {
    freeNative(dims);
  }
}

function memoryOf(plugin: Plugin, device: Address): ProcessorMemory | undefined {
  try {
    const result = plugin.call("Device_MemoryStats", { device });
    const optional = (value: "peak" | "limit"): number | undefined =>
      (result(`${value}_set`) & 0xffn) === 0n ? undefined : Number(result(value));
    return { inUse: Number(result("in_use")), peak: optional("peak"), limit: optional("limit") };
  } catch {
    return undefined; // a plugin for CPUs does not count
  }
}
