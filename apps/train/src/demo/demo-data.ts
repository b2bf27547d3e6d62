import { join } from "node:path";
import type { Dataset } from "@vlmr1/core";
import { map, refCoco, writeScenes, type RefCocoTarget } from "@vlmr1/data";
import { nanoScenes } from "../nano/nano-scenes.ts";
import { nanoStreams } from "../nano/nano-recipe.ts";

/** The demo's data, read back from disk through the loader that reads published RefCOCO. */
export interface DemoData {
  readonly train: Dataset<RefCocoTarget>;
  readonly heldOut: Dataset<RefCocoTarget>;
  readonly root: string;
}

/** Scenes written for training and for evaluation. */
export const demoSizes = { train: 4000, heldOut: 1000 };

/** Draws scenes, writes them as COCO and RefCOCO files, and opens those. */
export async function demoData(directory: string, seed: number, sizes = demoSizes): Promise<DemoData> {
  const streams = nanoStreams(seed);
  const root = join(directory, "data");
  const drawn = {
    train: nanoScenes(streams.train, sizes.train),
    val: nanoScenes(streams.heldOut, sizes.heldOut, {}, "held-out"),
  };
  await writeScenes(drawn, { root });
  const open = (split: string): Promise<Dataset<RefCocoTarget>> =>
    refCoco({
      root,
      dataset: "refcoco",
      split,
      question: (expression) => expression,
      template: (question) => question,
    });
  // RefCOCO has no field for the kind of an expression; the scenes know it, in the same order.
  const groups = await Promise.all(
    Array.from({ length: sizes.heldOut }, async (_, i) => (await drawn.val.get(i)).group ?? ""),
  );
  const heldOut = map(await open("val"), (sample, index) => ({ ...sample, group: groups[index] ?? "" }));
  return { train: await open("train"), heldOut, root };
}
