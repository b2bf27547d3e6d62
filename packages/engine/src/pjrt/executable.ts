import koffi from "koffi";
import {
  allocateBlock,
  bytesAt,
  freeNative,
  nativeBytes,
  type Address,
  type Block,
  type Plugin,
} from "./c-api.ts";

/** A compiled program on the device. */
export interface Executable {
  readonly handle: Address;
  /** Bytes of intermediate results that a call needs. */
  readonly scratchBytes: number;
  /** The program as bytes that `load` takes. */
  serialize(): Uint8Array;
  release(): void;
}

/** Compiles the text of a module on a thread of Node's pool. */
export async function compile(
  plugin: Plugin,
  client: Address,
  text: string,
  compileOptions: Uint8Array,
): Promise<Address> {
  const [code, format, options] = [Buffer.from(text), Buffer.from("mlir"), compileOptions].map(nativeBytes);
  const program = allocateBlock(6);
  program.words.set([48n, 0n, code!.address, BigInt(code!.size), format!.address, BigInt(format!.size)]);
  try {
    const result = await plugin.callAsync("Client_Compile", {
      client,
      program: program.address,
      options: options!.address,
      options_size: options!.size,
    });
    return result("executable");
  } finally {
    freeNative(code!, format!, options!, program);
  }
}

/** Loads what `serialize` gave, on a thread of Node's pool. */
export async function deserialize(
  plugin: Plugin,
  client: Address,
  bytes: Uint8Array,
  compileOptions: Uint8Array,
): Promise<Address> {
  const [code, options] = [bytes, compileOptions].map(nativeBytes);
  try {
    const result = await plugin.callAsync("Executable_DeserializeAndLoad", {
      client,
      bytes: code!.address,
      size: code!.size,
      options: options!.address,
      options_size: options!.size,
    });
    return result("executable");
  } finally {
    freeNative(code!, options!);
  }
}

/** The program behind a handle. */
export function executable(plugin: Plugin, handle: Address): Executable {
  const withInner = <T>(use: (executable: Address) => T): T => {
    const inner = plugin.call("LoadedExecutable_GetExecutable", { loaded: handle })("executable");
    try {
      return use(inner);
    } finally {
      plugin.call("Executable_Destroy", { executable: inner });
    }
  };
  return {
    handle,
    scratchBytes: withInner((inner) => scratchBytes(plugin, inner)),
    serialize: () => withInner((inner) => serialize(plugin, inner)),
    release: () => void plugin.call("LoadedExecutable_Destroy", { executable: handle }),
  };
}

function scratchBytes(plugin: Plugin, executable: Address): number {
  try {
    return Number(plugin.call("Executable_GetCompiledMemoryStats", { executable })("temp"));
  } catch {
    return 0; // not every plugin counts
  }
}

function serialize(plugin: Plugin, executable: Address): Uint8Array {
  const result = plugin.call("Executable_Serialize", { executable });
  const [owner, deleter] = [result("owner"), result("deleter")];
  const bytes = bytesAt(result("bytes"), Number(result("size")));
  (koffi.decode(deleter, koffi.proto("void", ["void*"])) as unknown as (owner: Address) => void)(owner);
  return bytes;
}

/** `PJRT_ExecuteOptions` with nothing chosen. */
let executeOptions: Block | undefined;

/** Starts a program: per processor, the buffers of its results and the event that they are ready. */
export function execute(
  plugin: Plugin,
  executable: Address,
  args: readonly (readonly Address[])[],
  outputs: number,
): { buffers: Address[][]; events: Address[] } {
  if (!executeOptions) {
    executeOptions = allocateBlock(18);
    executeOptions.words[0] = 144n;
  }
  const [devices, width] = [args.length, args[0]!.length];
  // One block: lists of arguments, lists of results, their addresses, events.
  const block = allocateBlock(devices * (width + outputs + 3));
  const at = (word: number): Address => block.address + BigInt(8 * word);
  const [resultsAt, argumentLists] = [devices * width, devices * (width + outputs)];
  args.forEach((list, device) => {
    block.words.set(list, device * width);
    block.words[argumentLists + device] = at(device * width);
    block.words[argumentLists + devices + device] = at(resultsAt + device * outputs);
  });
  try {
    plugin.call("LoadedExecutable_Execute", {
      executable,
      options: executeOptions.address,
      arguments: at(argumentLists),
      devices,
      argument_count: width,
      outputs: at(argumentLists + devices),
      events: at(argumentLists + 2 * devices),
    });
    const words = [...block.words];
    return {
      buffers: args.map((_, device) =>
        words.slice(resultsAt + device * outputs, resultsAt + (device + 1) * outputs),
      ),
      events: words.slice(argumentLists + 2 * devices, argumentLists + 3 * devices),
    };
  } finally {
    freeNative(block);
  }
}
