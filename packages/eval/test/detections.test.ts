import { createRng, type Box } from "@vlmr1/core";
import { expect, test } from "vitest";
import { bootstrapCoco, evaluateCoco } from "../src/coco/average-precision.ts";
import type { CocoFile, CocoResult } from "../src/coco/tables.ts";
import { detectionsToMarkdown, evaluateDetections, type DetectedImage } from "../src/detections.ts";
import { passAtK } from "../src/statistics.ts";
import { fixture } from "./fixture.ts";

const size = { width: 640, height: 480 };
const cat = (box: Box, score = 1) => ({ box, label: "Cat ", score });
const dog: Box = [10, 10, 60, 60];

/** A picture with one cat found exactly and nothing else, and one whose two dogs are missed by a sure wrong box. */
const images: DetectedImage[] = [
  {
    id: 7,
    size,
    truths: [{ box: [0, 0, 100, 100], label: "cat" }],
    detections: [cat([0, 0, 100, 100], 0.5)],
  },
  {
    id: "b",
    size,
    truths: [
      { box: dog, label: "dog" },
      { box: [200, 200, 300, 300], label: "dog" },
    ],
    detections: [cat([300, 300, 400, 400], 0.9), { box: dog, label: "bird", score: 1 }],
  },
];

test("one AP over the set: a sure wrong box elsewhere costs the cat, which a mean over pictures would hide", () => {
  const found = evaluateDetections(images, { rng: createRng(1) });
  // The cat comes second to a wrong box: precision 1/2 at every recall; no dog is found.
  expect(found.coco.summary.ap).toBeCloseTo(0.25, 12);
  expect(found.coco.categories.map(({ name, summary }) => [name, summary.ap])).toEqual([
    ["cat", expect.closeTo(0.5, 12)],
    ["dog", 0],
  ]);
  expect(found.unknownLabels).toBe(1);
  expect(found.greedy).toMatchObject({ matched: 1, predictions: 3, truths: 3 });
  expect(found.intervals.ap.mean).toBe(found.coco.summary.ap);
  expect(found.intervals.ap.low).toBeLessThanOrEqual(0.25);
  expect(found.intervals.ap.high).toBeGreaterThanOrEqual(0.25);
  // What is written is what `evaluateCoco` and pycocotools read.
  const again = evaluateCoco(
    JSON.parse(JSON.stringify(found)) as { annotations: CocoFile; results: CocoResult[] },
  );
  expect(again.stats).toEqual(found.coco.stats);
  expect(detectionsToMarkdown(found)).toContain("| cat | 1 | 0.5000 | 0.5000 |");
});

test("NMS-AP: one box with every label gains nothing; ids of the annotations are kept", () => {
  const both = ["cat", "dog"].map((label, i) => ({ box: dog, label, score: 0.9 - i / 10 }));
  const guesser: DetectedImage[] = [
    { id: 1, size, truths: [{ box: dog, label: "dog", categoryId: 40 }], detections: both },
  ];
  const categories = new Map([
    [30, "cat"],
    [40, "dog"],
  ]);
  const found = evaluateDetections(guesser, { categories, nmsAp: true, rng: createRng(1) });
  expect(found.coco.summary.ap).toBeCloseTo(1, 12);
  expect(found.nms?.coco.summary.ap).toBe(0); // the surer "cat" is the one that stays
  expect(found.results.map(({ category_id }) => category_id)).toEqual([30, 40]);
  expect(detectionsToMarkdown(found)).toContain("| NMS-AP (OVDEval) | 0.0000 | [0.0000, 0.0000] |");
});

test("a resample equals the evaluation of a set in which its images are there that often", () => {
  const annotations = fixture<CocoFile>("coco-val2014-100/instances_val2014_100.json.gz");
  const results = fixture<CocoResult[]>("coco-val2014-100/instances_val2014_fakebbox100_results.json.gz").map(
    (result, i) => ({ ...result, score: result.score + i * 1e-7 }), // no ties: copies of an image stand side by side
  );
  const chosen = { ...annotations, images: annotations.images.slice(0, 20) };
  const ids = new Set(chosen.images.map(({ id }) => id));
  const inside = <Item extends { image_id: number | string }>(items: readonly Item[]): Item[] =>
    items.filter(({ image_id }) => ids.has(image_id));
  const input = {
    annotations: { ...chosen, annotations: inside(annotations.annotations) },
    results: inside(results),
  };
  const rng = createRng(5);
  const interval = bootstrapCoco({ ...input, rng, resamples: 1 });
  const copy = createRng(5);
  const ordered = input.annotations.images.map(({ id }) => id as number).sort((a, b) => a - b);
  const drawn = ordered.map(() => ordered[copy.integer(ordered.length)] as number);
  const repeated = { images: [] as { id: number }[], annotations: [] as CocoFile["annotations"][number][] };
  const found: CocoResult[] = [];
  drawn.forEach((image, i) => {
    repeated.images.push({ id: i + 1 });
    for (const each of input.annotations.annotations) {
      if (each.image_id === image)
        repeated.annotations.push({ ...each, id: repeated.annotations.length + 1, image_id: i + 1 });
    }
    for (const each of input.results) if (each.image_id === image) found.push({ ...each, image_id: i + 1 });
  });
  const { summary } = evaluateCoco({
    annotations: { ...repeated, categories: annotations.categories },
    results: found,
  });
  for (const [name, { low, high }] of Object.entries(interval)) {
    expect([name, low]).toEqual([name, expect.closeTo(summary[name as "ap"], 12)]);
    expect(high).toBe(low);
  }
});

test("pass@k is the unbiased estimate", () => {
  // Chen et al. 2021, eq. 1, by counting: of the 10 pairs of 5 completions, 3 have none of the 2 right ones.
  expect(passAtK(2, 5, 2)).toBeCloseTo(7 / 10, 15);
  expect([passAtK(0, 5, 5), passAtK(5, 5, 1), passAtK(1, 200, 200)]).toEqual([0, 1, 1]);
  expect(passAtK(3, 10, 1)).toBeCloseTo(0.3, 15);
  expect(() => passAtK(1, 4, 5)).toThrow(/1 <= k <= total/);
});
