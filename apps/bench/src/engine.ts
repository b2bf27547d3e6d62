import * as tf from "@tensorflow/tfjs";
import { VlmR1Error } from "@vlmr1/core";
import { openEngine, type EngineOptions } from "@vlmr1/engine";
import { measureDecode, measureReadBandwidth } from "./engine-decode.ts";
import { runIsolated } from "./engine-isolated.ts";
import { measureTrainStep } from "./engine-train.ts";
import { runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, median, moreIsBetter, type BenchRow, type Benchmark } from "./row.ts";

const threads = 2;

/** The engine against PyTorch, PEFT, transformers and a hand-written graph. Every figure of one line is from one run. */
export const engineBenchmark: Benchmark = {
  name: "engine",
  about: "compiled TensorFlow.js against PyTorch, PEFT and transformers, 2 threads, random weights",
  async run(say) {
    const rows: BenchRow[] = [];
    for (const [about, part] of [
      ["cost of a call", callRows],
      ["4-layer training step", trainRows],
      ["LoRA step, SmolLM2-135M shape", loraRows],
      ["decode step, SmolLM2-135M shape", decodeRows],
    ] as const) {
      say(`  ${about}`);
      rows.push(...(await part()));
    }
    return rows;
  },
};

async function callRows(): Promise<BenchRow[]> {
  const engine = await openEngine({ threads: 1 });
  const run = engine.compile((x: tf.Tensor) => tf.add(x, 1));
  const x = engine.zeros([1]);
  const out = engine.zeros([1]);
  for (let k = 0; k < 500; k++) await run.into(out, x);
  const times: number[] = [];
  for (let k = 0; k < 2000; k++) {
    const started = performance.now();
    await run.into(out, x);
    times.push((performance.now() - started) * 1000);
  }
  await engine.dispose();
  return [{ name: "cached call, one input", ours: median(times), unit: "us", note: "target: under 100" }];
}

async function tensorflowOptions(): Promise<EngineOptions | undefined> {
  const options = { device: "tensorflow", threads } as const;
  try {
    await (await openEngine(options)).dispose();
    return options;
  } catch (error) {
    if (VlmR1Error.is(error, "unavailable")) return undefined;
    throw error;
  }
}

async function trainRows(): Promise<BenchRow[]> {
  const cpu = await measureTrainStep({ threads }, 25);
  const hand = await runIsolated("hand-written-step.mjs", [String(threads)]);
  const rows = [
    lessIsBetter({
      name: "4-layer step",
      ours: cpu,
      peer: hand["step_ms"]!,
      unit: "ms",
      note: "peer: the same step written by hand in ONNX",
    }),
  ];
  const tensorflow = await tensorflowOptions();
  if (tensorflow) {
    const fast = await measureTrainStep({ ...tensorflow, xla: true, bfloat16: true }, 25);
    rows.push(
      lessIsBetter({
        name: "4-layer step, tensorflow XLA + bfloat16",
        ours: fast,
        peer: cpu,
        unit: "ms",
        note: "peer: our device cpu",
      }),
    );
  }
  return rows;
}

async function loraRows(): Promise<BenchRow[]> {
  const ours = await runIsolated("engine-lora-run.ts", ["cpu"]);
  const peer = await runPythonPeer("peft_lora_step.py", ["--threads", String(threads)]);
  const note = "peer: PEFT, float32";
  const rows = [
    lessIsBetter({
      name: "LoRA step, 4 x 200 tokens",
      ours: ours["step_ms"]!,
      ...(peer ? { peer: peer["total_ms"]! } : {}),
      unit: "ms",
      note,
    }),
    lessIsBetter({
      name: "LoRA step, peak memory",
      ours: ours["peak_mb"]!,
      ...(peer ? { peer: peer["rss_mb"]! } : {}),
      unit: "MB",
      note,
    }),
    { name: "LoRA step, compilation", ours: ours["compile_ms"]!, unit: "ms", note: "target: under 2000" },
  ];
  if (await tensorflowOptions()) {
    const half = await runIsolated("engine-lora-run.ts", ["tensorflow"]);
    const bf16 = await runPythonPeer("peft_lora_step.py", ["--threads", String(threads), "--bf16"]);
    const peer16 = bf16 ? { peer: bf16["total_ms"]! } : {};
    rows.push(
      lessIsBetter({
        name: "LoRA step, tensorflow bfloat16",
        ours: half["step_ms"]!,
        ...peer16,
        unit: "ms",
        note: "peer: PEFT, bfloat16",
      }),
    );
  }
  return rows;
}

async function decodeRows(): Promise<BenchRow[]> {
  const bandwidth = await measureReadBandwidth(threads);
  const rows: BenchRow[] = [];
  for (const [batch, mode] of [
    [1, "transformers"],
    [4, "transformers"],
    [8, "packed"],
  ] as const) {
    const { stepMs, weightBytes } = await measureDecode({ threads }, batch);
    const peer = await runPythonPeer("engine-decode.py", [
      "--mode",
      mode,
      "--batch",
      String(batch),
      "--threads",
      String(threads),
    ]);
    const peerMs = peer ? { peer: peer["step_ms"]! } : {};
    rows.push(
      lessIsBetter({
        name: `decode step, ${batch} rows`,
        ours: stepMs,
        ...peerMs,
        unit: "ms",
        note: `peer: PyTorch, ${mode}`,
      }),
    );
    if (batch === 1) {
      const share = weightBytes / (stepMs / 1000);
      const note = "peer: reading memory once; target 0.60x";
      rows.push(
        moreIsBetter({
          name: "decode step, 1 row, weights read",
          ours: share / 1e9,
          peer: bandwidth / 1e9,
          unit: "GB/s",
          note,
        }),
      );
    }
  }
  return rows;
}
