import { join } from "node:path";
import { cocoDetection, refCoco } from "@vlmr1/data";

/** What one process measured. */
export interface LoaderRun {
  readonly seconds: number;
  /** Peak of the whole process. */
  readonly peakMegabytes: number;
  /** Peak over what the process took before it loaded. */
  readonly grownMegabytes: number;
  readonly samples: number;
}

/** Run as a process of its own, so that its time and peak memory are the loader's: `data-loader-run.ts coco|refcoco FOLDER`. */
async function main(what: string, folder: string): Promise<LoaderRun> {
  const before = process.memoryUsage().rss / 1e6;
  const start = performance.now();
  const images = join(folder, "images");
  const dataset =
    what === "coco"
      ? await cocoDetection({ annotations: join(folder, "refcoco/instances.json"), images })
      : await refCoco({ root: folder, images, dataset: "refcoco", split: "train" });
  const seconds = (performance.now() - start) / 1000;
  const peakMegabytes = (process.resourceUsage().maxRSS * 1024) / 1e6;
  return { seconds, peakMegabytes, grownMegabytes: peakMegabytes - before, samples: dataset.length };
}

if (process.send) {
  process.send(await main(process.argv[2] as string, process.argv[3] as string));
  process.disconnect();
}
