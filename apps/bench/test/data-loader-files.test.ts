import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cocoDetection, refCoco } from "@vlmr1/data";
import { expect, test } from "vitest";
import { writeLoaderFiles } from "../src/data-loader-files.ts";

test("the synthetic COCO and RefCOCO files are ones that the loaders read, in the size asked for", async () => {
  const root = await mkdtemp(join(tmpdir(), "data-loader-files-"));
  try {
    await writeLoaderFiles(root, { images: 50, annotations: 400, expressions: 300 });
    const images = join(root, "images");
    const coco = await cocoDetection({ annotations: join(root, "refcoco/instances.json"), images });
    expect([coco.length, coco.categories.size, coco.skipped.count]).toEqual([50, 80, 0]);
    const lengths = await Promise.all(
      ["train", "val", "testA", "testB"].map(
        async (split) => (await refCoco({ root, images, dataset: "refcoco", split })).length,
      ),
    );
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(300);
  } finally {
    await rm(root, { recursive: true });
  }
});
