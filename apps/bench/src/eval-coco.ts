import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeCocoFiles } from "./eval-coco-files.ts";
import type { CocoRun } from "./eval-coco-run.ts";
import { pythonPeersInstalled, runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, median, type Benchmark, type BenchRow } from "./row.ts";

const runs = 3;
const script = "eval-coco.py";

/** COCO AP of 500,000 boxes, from files to the twelve numbers, against faster-coco-eval (C++). */
export const evalCoco: Benchmark = {
  name: "eval-coco",
  about: "COCO AP of 5000 images, 36,000 annotations, 500,000 detections, reading the files included",
  async run(say) {
    const folder = await mkdtemp(join(tmpdir(), "vlmr1-eval-coco-"));
    try {
      say("  writing the files");
      if (pythonPeersInstalled()) await runPythonPeer(script, ["--generate", folder]);
      else await writeCocoFiles(folder, { images: 5000, annotations: 36_000, detectionsPerImage: 100 });
      say(`  @vlmr1/eval, ${runs} runs`);
      const ours = await runOurs(folder);
      say(`  faster-coco-eval, ${runs} runs`);
      const peer = await runPythonPeer(script, ["--dir", folder, "--reps", String(runs)]);
      return rowsOf(ours, peer);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

function rowsOf(ours: CocoRun, peer: Readonly<Record<string, number>> | undefined): BenchRow[] {
  const difference =
    peer && Math.max(...ours.stats.map((value, i) => Math.abs(value - (peer[`stat${i}`] as number))));
  const agreement =
    difference === undefined ? "" : `; the twelve numbers differ by at most ${difference.toExponential(0)}`;
  const row = (
    name: string,
    unit: string,
    value: number,
    figure: number | undefined,
    note: string,
  ): BenchRow =>
    lessIsBetter({ name, unit, ours: value, note, ...(figure === undefined ? {} : { peer: figure }) });
  return [
    row(
      "COCO AP, files to numbers",
      "s",
      median(ours.seconds),
      peer?.["total_s"],
      `faster-coco-eval 1.8.0 (C++)${agreement}`,
    ),
    row("COCO AP, peak memory", "MB", ours.peakMegabytes, peer?.["rss_mb"], "of a process of its own"),
  ];
}

function runOurs(folder: string): Promise<CocoRun> {
  const child = fork(fileURLToPath(new URL("eval-coco-run.ts", import.meta.url)), [folder, String(runs)]);
  return new Promise((resolve, reject) => {
    child.once("message", (run) => resolve(run as CocoRun));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`eval-coco-run.ts ended with ${code} before it reported`)));
  });
}
