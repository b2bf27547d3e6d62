import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluateCocoFiles } from "@vlmr1/eval/files";
import { expect, test } from "vitest";
import { writeCocoFiles } from "../src/eval-coco-files.ts";

test("the synthetic COCO files have the size asked for, and detections that are partly right", async () => {
  const folder = await mkdtemp(join(tmpdir(), "eval-coco-files-"));
  try {
    await writeCocoFiles(folder, { images: 40, annotations: 300, detectionsPerImage: 20 });
    const evaluation = await evaluateCocoFiles({
      annotations: join(folder, "gt.json"),
      results: join(folder, "dt.json"),
    });
    expect([evaluation.images, evaluation.detections]).toEqual([40, 800]);
    const truths = evaluation.categories.reduce((sum, category) => sum + category.truths, 0);
    expect(truths).toBeGreaterThan(280); // crowds are not counted
    expect(truths).toBeLessThanOrEqual(300);
    expect(evaluation.summary.ap50).toBeGreaterThan(0.2);
    expect(evaluation.summary.ap50).toBeLessThan(0.95);
  } finally {
    await rm(folder, { recursive: true });
  }
});
