import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmr1-coco-"));
const annotations = join(folder, "gt.json");
const results = join(folder, "dt.json");
writeFileSync(
  annotations,
  JSON.stringify({
    images: [{ id: 1, width: 100, height: 100, file_name: "1.png" }],
    categories: [{ id: 7, name: "cat" }],
    annotations: [{ id: 1, image_id: 1, category_id: 7, bbox: [10, 10, 40, 40], area: 1600, iscrowd: 0 }],
  }),
);
writeFileSync(results, JSON.stringify([{ image_id: 1, category_id: 7, bbox: [10, 10, 40, 40], score: 0.9 }]));

test("prints the twelve numbers, for people and as JSON", async () => {
  const json = await run("eval", "coco", "--annotations", annotations, "--results", results, "--json");
  const { stats } = json.json as { stats: number[] };
  const expected = [1, 1, 1, -1, 1, -1, 1, 1, 1, -1, 1, -1];
  expected.forEach((value, index) => expect(stats[index]).toBeCloseTo(value, 12));
  expect(stats).toHaveLength(12);
  const text = await run(
    "eval",
    "coco",
    "--annotations",
    annotations,
    "--results",
    results,
    "--per-category",
  );
  expect(text.out).toMatch(/AP {2}cat +1\.000/);
});

test("refuses other kinds of IoU, bad limits and missing files with exit codes of their own", async () => {
  const files = ["--annotations", annotations, "--results", results];
  expect((await run("eval", "coco", ...files, "--iou-type", "keypoints")).code).toBe(2);
  expect((await run("eval", "coco", ...files, "--max-dets", "1,,100")).code).toBe(2);
  expect(
    (await run("eval", "coco", "--annotations", annotations, "--results", "none.json", "--json")).json,
  ).toMatchObject({
    error: { code: "not-found" },
  });
  expect((await run("eval", "coco")).code).toBe(2);
  expect((await run("nonsense")).code).toBe(2);
  expect((await run("--help")).code).toBe(0);
});
