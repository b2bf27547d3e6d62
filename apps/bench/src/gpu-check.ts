import { writeFileSync } from "node:fs";
import { openEngine, pluginFolders, type EngineOptions } from "@vlmr1/engine";
import { elementwiseCases } from "../../../packages/engine/test/contract/elementwise-cases.ts";
import { reductionCases } from "../../../packages/engine/test/contract/reduction-cases.ts";
import {
  compiled,
  distance,
  eager,
  gradients,
  values,
} from "../../../packages/engine/test/contract/run-case.ts";
import { structureCases } from "../../../packages/engine/test/contract/structure-cases.ts";
import { windowCases } from "../../../packages/engine/test/contract/window-cases.ts";
import { measureDecode } from "./engine-decode.ts";
import { smolLm2, type DecoderShape } from "./engine-decoder.ts";
import { measureTrainStep } from "./engine-train.ts";
import { measureGrpo, type GrpoCase } from "./model-grpo-run.ts";

/** The decoder of Qwen2.5-VL-3B, https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/config.json */
const qwen3B: DecoderShape = {
  hidden: 2048,
  inner: 11_008,
  heads: 16,
  keyValueHeads: 2,
  layers: 36,
  vocabulary: 151_936,
};

/** What one section found: a line of the table, and the same as data. */
interface Section {
  readonly name: string;
  readonly seconds: number;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

/** Sizes of the measurements. */
interface Sizes {
  readonly decode: DecoderShape;
  readonly grpo: readonly (readonly [name: string, options: Omit<GrpoCase, "threads">])[];
}

const nano = { shape: "nano", tiles: 1, prompts: 16, group: 8, tokens: 24, steps: 3, warmUp: 1 } as const;
const smol = {
  shape: "smolvlm256",
  tiles: 1,
  prompts: 2,
  group: 8,
  tokens: 64,
  steps: 3,
  warmUp: 1,
} as const;

/** For a card of 24 GB, and for a plugin for CPUs. */
const sizesOf: Readonly<Record<"card" | "small", Sizes>> = {
  card: {
    decode: qwen3B,
    grpo: [
      ["GRPO step, nano", nano],
      ["GRPO step, SmolVLM-256M shape, LoRA", smol],
    ],
  },
  small: {
    decode: { ...smolLm2, layers: 4 },
    grpo: [["GRPO step, nano", { ...nano, prompts: 2, group: 4, steps: 1 }]],
  },
};

/** `scripts/gpu-check [--plugin NAME|FILE] [--small] [--json FILE]` */
async function main(args: readonly string[]): Promise<number> {
  const valueOf = (flag: string): string | undefined =>
    args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;
  const plugin = valueOf("--plugin");
  const device: EngineOptions = {
    device: "pjrt",
    pluginFolders: pluginFolders(process.env),
    ...(plugin !== undefined && { plugin }),
  };
  const sections: Section[] = [];
  const section = async (name: string, work: () => Promise<Readonly<Record<string, unknown>>>) => {
    const found = await timed(name, work);
    sections.push(found);
    process.stdout.write(`${line(found)}\n`);
  };
  const { decode: shape, grpo } = sizesOf[args.includes("--small") ? "small" : "card"];
  await section("device", () => describeDevice(device));
  await section("contract suite", () => contract(device));
  await section("training step, 4 layers, 16 x 96 tokens", async () => ({
    ms: await measureTrainStep(device, 10),
  }));
  for (const batch of [1, 8])
    await section(`decode, bfloat16 weights, ${batch} rows`, () => decode(device, batch, shape));
  for (const [name, options] of grpo)
    await section(name, async () => ({ ...(await measureGrpo({ ...options, threads: 2 }, device)) }));
  const report = valueOf("--json");
  if (report !== undefined) writeFileSync(report, `${JSON.stringify(sections, null, 2)}\n`);
  const wrong = sections.filter(({ error, result }) => error !== undefined || result?.["failed"]);
  process.stdout.write(`${sections.length - wrong.length} passed, ${wrong.length} failed\n`);
  return wrong.length === 0 ? 0 : 1;
}

async function timed(name: string, work: () => Promise<Readonly<Record<string, unknown>>>): Promise<Section> {
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 100) / 10;
  try {
    const result = await work();
    return { name, seconds: seconds(), result };
  } catch (error) {
    return { name, seconds: seconds(), error: error instanceof Error ? error.message : String(error) };
  }
}

async function describeDevice(options: EngineOptions): Promise<Record<string, unknown>> {
  const engine = await openEngine(options);
  const { runtime, library, processors, memory } = engine.describe();
  await engine.dispose();
  return { runtime, library, processors, memory };
}

/** Every primitive with its gradient against TensorFlow.js's cpu backend; `failed` names those that differ. */
async function contract(options: EngineOptions): Promise<Record<string, unknown>> {
  const engine = await openEngine(options);
  const failed: string[] = [];
  let passed = 0;
  for (const item of [...elementwiseCases, ...structureCases, ...reductionCases, ...windowCases]) {
    const wantGradient = item.gradient ?? item.operands.some(({ dtype }) => dtype === "float32");
    for (const call of wantGradient ? [values(item), gradients(item)] : [values(item)]) {
      const { outcomes } = await eager(call, item);
      const worst = await compiled(engine, call, item).then(
        (results) => Math.max(...results.map((result, k) => distance(result, outcomes[k]!))),
        () => Infinity,
      );
      if (worst <= (item.tolerance ?? 2e-6)) passed += 1;
      else failed.push(`${item.name} (${worst})`);
    }
  }
  const { compilation } = engine.describe();
  await engine.dispose();
  return { passed, ...(failed.length > 0 && { failed }), compilation };
}

/** Milliseconds of a step, tokens a second, and the bytes a second that reading the weights once a step is. */
async function decode(
  device: EngineOptions,
  batch: number,
  shape: DecoderShape,
): Promise<Record<string, unknown>> {
  const { stepMs, weightBytes } = await measureDecode(device, batch, shape, "bfloat16");
  return {
    stepMs,
    tokensPerSecond: (1000 * batch) / stepMs,
    weightGigabytes: weightBytes / 1e9,
    readGigabytesPerSecond: weightBytes / stepMs / 1e6,
  };
}

function line({ name, seconds, result, error }: Section): string {
  const short = (value: unknown): string =>
    typeof value === "number" ? String(Number(value.toPrecision(4))) : JSON.stringify(value);
  const entries = Object.entries(result ?? {}).map(([key, value]) => `${key} ${short(value)}`);
  const text = error === undefined ? entries.join(", ") : `FAILED: ${error}`;
  return `${name.padEnd(42)} ${text}  (${seconds} s)`;
}

process.exitCode = await main(process.argv.slice(2));
