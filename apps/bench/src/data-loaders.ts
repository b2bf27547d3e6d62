import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cocoTrain2014, refCocoUnc, writeLoaderFiles, type LoaderFileSizes } from "./data-loader-files.ts";
import type { LoaderRun } from "./data-loader-run.ts";
import { runPythonPeer } from "./python-peer.ts";
import { lessIsBetter, median, type Benchmark, type BenchRow } from "./row.ts";

const runs = 3;

/** From files to a dataset that can give any sample: COCO train2014 against pycocotools, RefCOCO against refer. */
export const dataLoaders: Benchmark = {
  name: "data-loaders",
  about:
    "COCO train2014 (330 MB) and RefCOCO (142,210 expressions) from files to a dataset ready for random access",
  async run(say) {
    return [
      ...(await compare("coco", "COCO train2014", "pycocotools 2.0.11", cocoTrain2014, say)),
      ...(await compare("refcoco", "RefCOCO", "lichengunc/refer", refCocoUnc, say)),
    ];
  },
};

async function compare(
  what: "coco" | "refcoco",
  name: string,
  peerName: string,
  sizes: LoaderFileSizes,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "vlmr1-data-loaders-"));
  try {
    say(`  writing the files of ${name}`);
    await writeLoaderFiles(folder, sizes);
    say(`  @vlmr1/data, ${runs} processes`);
    const ours: LoaderRun[] = [];
    for (let run = 0; run < runs; run++) ours.push(await runOurs(what, folder));
    say(`  ${peerName}, ${runs} processes`);
    const peer: Readonly<Record<string, number>>[] = [];
    for (let run = 0; run < runs; run++) {
      const figures = await runPythonPeer("data-loaders.py", [what, folder]);
      if (figures !== undefined) peer.push(figures);
    }
    const row = (title: string, unit: string, key: keyof LoaderRun, note: string): BenchRow =>
      lessIsBetter({
        name: `${name}, ${title}`,
        unit,
        ours: median(ours.map((run) => run[key])),
        note,
        ...(peer.length === 0 ? {} : { peer: median(peer.map((run) => run[key] as number)) }),
      });
    return [
      row("ready", "s", "seconds", `${peerName}; ${ours[0]?.samples} samples`),
      row(
        "memory that loading takes",
        "MB",
        "grownMegabytes",
        "peak of a process of its own, less what it had before",
      ),
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

function runOurs(what: string, folder: string): Promise<LoaderRun> {
  const child = fork(fileURLToPath(new URL("data-loader-run.ts", import.meta.url)), [what, folder]);
  return new Promise((resolve, reject) => {
    child.once("message", (run) => resolve(run as LoaderRun));
    child.once("error", reject);
    child.once("exit", (code) =>
      reject(new Error(`data-loader-run.ts ended with ${code} before it reported`)),
    );
  });
}
