import { homedir } from "node:os";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { openEngine, pluginFolders, type Engine, type Precision } from "@vlmr1/engine";
import { Option, type Command } from "commander";
import { numberOption } from "../commands/options.ts";
import { deviceNames, dtypeNames, type RunConfig } from "../config/run-config.ts";

/** Where something computes, and in which numbers. */
export interface DeviceOptions {
  readonly device?: RunConfig["device"] | undefined;
  readonly plugin?: string | undefined;
  readonly dtype?: RunConfig["dtype"] | undefined;
  readonly xla?: boolean | undefined;
  readonly threads?: number | undefined;
}

/** The flags of a device, for commands that are not configured by a file. */
export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(new Option("--device <device>", "where it computes").choices(deviceNames).default("cpu"))
    .option(
      "--plugin <name|file>",
      "of pjrt: cuda, rocm, tpu, metal, oneapi or a library (default: the one that is installed)",
    )
    .addOption(
      new Option("--dtype <dtype>", "how frozen weights are stored").choices(dtypeNames).default("float32"),
    )
    .option("--xla", "of tensorflow: compile with XLA")
    .option("--threads <n>", "threads inside one operation", numberOption);
}

/**
 * Opens the engine of a command. Plugins are looked for in the Python environments that are active, and what they compile is kept in the
 * user's cache folder, so that the next start compiles nothing.
 */
export function openDevice({ device = "cpu", plugin, xla, threads }: DeviceOptions): Promise<Engine> {
  const own =
    device === "pjrt"
      ? { pluginFolders: pluginFolders(process.env), programFolder: programFolder(process.env) }
      : {};
  return openEngine({
    device,
    ...own,
    ...(plugin !== undefined && { plugin }),
    ...(xla !== undefined && { xla }),
    ...(threads !== undefined && { threads }),
  });
}

/** Where compiled programs are kept: the user's cache folder, as the system names it. */
export function programFolder(env: Readonly<Record<string, string | undefined>>): string {
  const cache = env["XDG_CACHE_HOME"] ?? env["LOCALAPPDATA"] ?? join(homedir(), ".cache");
  return join(cache, "vlmr1", "programs");
}

/** How each device can store weights. */
const stored: Readonly<Record<RunConfig["device"], readonly RunConfig["dtype"][]>> = {
  cpu: dtypeNames,
  pjrt: ["float32", "bfloat16"],
  tensorflow: ["float32"],
};

/**
 * How the frozen weights of a model are stored.
 *
 * @throws VlmR1Error `unsupported` when the device cannot: they would silently take four bytes each.
 */
export function weightPrecision({ device = "cpu", dtype = "float32" }: DeviceOptions): Precision {
  if (stored[device].includes(dtype)) return dtype;
  const others = deviceNames.filter((name) => stored[name].includes(dtype));
  throw new VlmR1Error(
    "unsupported",
    `--dtype ${dtype}: the device ${device} stores weights in ${stored[device].join(" or ")}. Take one of these, or --device ${others.join(" or ")}.`,
  );
}

/** What was compiled, for the end of a run: `12 programs compiled, 3 taken from the cache, 41 s`. */
export function compilationText(engine: Engine): string {
  const { compiled, loaded, seconds } = engine.describe().compilation;
  const kept = loaded === 0 ? "" : `, ${loaded} taken from the cache`;
  return `${compiled} programs compiled${kept}, ${seconds.toFixed(1)} s`;
}
