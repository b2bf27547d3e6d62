import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error } from "@vlmr1/core";
import {
  installedPlugins,
  pluginAdvice,
  pluginFolders,
  type Engine,
  type EngineDescription,
} from "@vlmr1/engine";
import { openDevice, type DeviceOptions } from "../model/device.ts";
import type { Terminal } from "../terminal.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 devices`: everything that this machine can compute on. */
export const buildDevices: BuildCommand = (command, terminal) => {
  command
    .option("--plugin <file>", "also try this library as a plugin of pjrt")
    .option("--size <n>", "rows and columns of the matrices of the timed product", Number, 1024)
    .action((options: DevicesOptions) => devices(options, terminal()));
};

interface DevicesOptions {
  readonly plugin?: string;
  readonly size: number;
}

/** A device that was tried. */
interface Tried {
  readonly options: DeviceOptions;
  readonly description?: EngineDescription;
  /** Billions of operations a second of a float32 product. */
  readonly gigaflops?: number;
  /** Why it cannot be used. */
  readonly problem?: string;
}

async function devices({ plugin, size }: DevicesOptions, terminal: Terminal): Promise<void> {
  if (!Number.isInteger(size) || size < 1 || size > 16_384)
    throw new VlmR1Error("invalid-argument", `--size is a whole number from 1 to 16384, got ${size}.`);
  const installed = installedPlugins(pluginFolders(process.env)).map(({ name }) => name);
  const candidates: DeviceOptions[] = [
    { device: "cpu" },
    ...[...installed, ...(plugin === undefined ? [] : [plugin])].map(
      (name) => ({ device: "pjrt", plugin: name }) as const,
    ),
    { device: "tensorflow" },
  ];
  const tried: Tried[] = [];
  for (const options of candidates) {
    terminal.say(`Trying ${options.device} ${options.plugin ?? ""}`.trimEnd());
    tried.push(await tryDevice(options, size));
  }
  const missing = pluginAdvice.filter(({ name }) => !installed.includes(name));
  const advice = missing.map(({ processors, install }) => `  ${processors.padEnd(34)} ${install}`);
  const text = [
    ...tried.map((each) => deviceText(each, size)),
    "To compute on more (device pjrt):",
    ...advice,
  ];
  terminal.result({ devices: tried, missing }, text.join("\n"));
}

async function tryDevice(options: DeviceOptions, size: number): Promise<Tried> {
  try {
    const engine = await openDevice(options);
    try {
      const gigaflops = await measureProduct(engine, size);
      return { options, description: engine.describe(), gigaflops };
    } finally {
      await engine.dispose();
    }
  } catch (error) {
    if (!VlmR1Error.is(error)) throw error;
    return { options, problem: error.message };
  }
}

/** The best of five products, after one that compiles. */
async function measureProduct(engine: Engine, size: number): Promise<number> {
  const product = engine.compile((a: tf.Tensor2D, b: tf.Tensor2D) => tf.sum(tf.matMul(a, b)), {
    name: "product",
  });
  const x = engine.tensor(new Float32Array(size * size).fill(0.5), [size, size]);
  let best = Infinity;
  for (let round = 0; round < 6; round++) {
    const started = performance.now();
    const sum = await product(x, x);
    await sum.read(); // results may be promised before they are computed
    sum.dispose();
    if (round > 0) best = Math.min(best, performance.now() - started);
  }
  return (2 * size ** 3) / best / 1e6;
}

function deviceText({ options, description, gigaflops, problem }: Tried, size: number): string {
  const title = [options.device, options.plugin].filter(Boolean).join(" ");
  if (!description) return `${title}\n  not usable: ${problem}\n`;
  const { runtime, library, processors, threads, memory } = description;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const limit = memory?.limit === undefined ? "" : `, ${gigabytes(memory.limit)} of memory`;
  return [
    title,
    `  ${runtime}`,
    `  library     ${library}`,
    `  processors  ${processors.join(", ")}${options.device === "cpu" ? `, ${threads} threads` : ""}${limit}`,
    `  product     ${size} x ${size}, float32: ${gigaflops?.toFixed(1)} GFLOP/s`,
    "",
  ].join("\n");
}
