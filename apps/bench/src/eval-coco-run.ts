import { evaluateCocoFiles } from "@vlmr1/eval/files";

/** What one process measured. */
export interface CocoRun {
  /** Every run, reading both files included. */
  readonly seconds: readonly number[];
  readonly peakMegabytes: number;
  readonly stats: readonly number[];
}

/** Run as a process of its own, so that its peak memory is the evaluation's: `eval-coco-run.ts FOLDER RUNS`. */
async function main(folder: string, runs: number): Promise<CocoRun> {
  const seconds: number[] = [];
  let stats: readonly number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    ({ stats } = await evaluateCocoFiles({ annotations: `${folder}/gt.json`, results: `${folder}/dt.json` }));
    seconds.push((performance.now() - start) / 1000);
  }
  return { seconds, peakMegabytes: process.resourceUsage().maxRSS / 1024, stats };
}

if (process.send) {
  process.send(await main(process.argv[2] as string, Number(process.argv[3])));
  process.disconnect();
}
