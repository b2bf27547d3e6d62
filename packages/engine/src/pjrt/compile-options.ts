import { bytes, encode, int, message, type Message } from "../protobuf.ts";

/** A flag of XLA for one program, as in `XLA_FLAGS` but without the dashes. */
export type XlaFlags = Readonly<Record<string, string | number | boolean>>;

/**
 * A `CompileOptionsProto` for one partition on `replicas` processors. The bytes must be right: XLA ends the process for wrong ones.
 * https://github.com/openxla/xla/blob/main/xla/pjrt/proto/compile_options.proto
 */
export function compileOptions(replicas: number, flags: XlaFlags = {}): Uint8Array {
  const build = message(int(4, replicas), int(5, 1)); // ExecutableBuildOptionsProto: num_replicas, num_partitions
  return encode(message(bytes(3, build), ...Object.entries(flags).map(override)));
}

/** An entry of `env_option_overrides`, a map from names to `OptionOverrideProto`. */
function override([name, value]: [string, string | number | boolean]): Message {
  const content =
    typeof value === "string"
      ? bytes(1, value)
      : typeof value === "boolean"
        ? int(2, value ? 1 : 0)
        : int(3, value);
  return bytes(7, message(bytes(1, name), bytes(2, content)));
}
