import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng, type Box, type Dataset } from "@vlmr1/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cocoDetection,
  drawScenes,
  readPickle,
  refCoco,
  writeScenes,
  type SceneTargets,
  type WrittenScenes,
} from "../../src/index.ts";

type Scenes = Dataset<SceneTargets["referring"]>;

const rng = createRng(4);
const splits: Readonly<Record<"train" | "val", Scenes>> = {
  train: drawScenes({ rng: rng.fork("train"), length: 25 }),
  val: drawScenes({
    rng: rng.fork("val"),
    length: 8,
    size: { width: 200, height: 120 },
    objects: [4, 6],
    objectSizes: [[0.2, 0.35]],
  }),
};

interface Instances {
  readonly images: readonly { id: number; file_name: string; width: number; height: number }[];
  readonly annotations: readonly {
    id: number;
    image_id: number;
    bbox: readonly [number, number, number, number];
    area: number;
    segmentation: readonly (readonly number[])[];
  }[];
}

let root: string;
let written: WrittenScenes;
let instances: Instances;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "scenes-"));
  written = await writeScenes(splits, { root });
  instances = JSON.parse(await readFile(written.instances, "utf8")) as Instances;
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe("writeScenes", () => {
  test.each(["train", "val"] as const)(
    "%s reads back as RefCOCO with the same pixels, words and boxes",
    async (split) => {
      const loaded = await refCoco({ root, dataset: "refcoco", split });
      expect(loaded.length).toBe(splits[split].length);
      for (let i = 0; i < loaded.length; i++) {
        const [original, copy] = [await splits[split].get(i), await loaded.get(i)];
        expect(copy.images.map(({ width, height }) => [width, height])).toEqual([
          [original.images[0]!.width, original.images[0]!.height],
        ]);
        expect(Buffer.compare(copy.images[0]!.data, original.images[0]!.data)).toBe(0);
        expect(copy.target.expression).toBe(original.target.expression);
        expect(copy.target.box).toEqual(original.target.box);
      }
    },
  );

  test("reads back as COCO with every object of every scene", async () => {
    const loaded = await cocoDetection({ annotations: written.instances, images: written.imageFolder });
    expect([loaded.length, written.images]).toEqual([33, 33]);
    for (let i = 0; i < loaded.length; i++) {
      const { target } = await (i < 25 ? splits.train.get(i) : splits.val.get(i - 25));
      const boxes = (await loaded.get(i)).target.objects.map(({ box, label }) => ({ box, label }));
      expect(boxes).toEqual(target.scene.objects.map(({ box, name }) => ({ box, label: name })));
    }
  });

  test("polygons cover exactly `area` pixels, touch all four sides of `bbox`, and no pixel twice", () => {
    expect(instances.annotations).toHaveLength(written.objects);
    for (const { image_id, bbox, area, segmentation } of instances.annotations) {
      const { width, height } = instances.images[image_id - 1]!;
      const mask = segmentation.map((polygon) => fill(polygon, width, height));
      const covered = mask[0]!.map((_, pixel) => mask.reduce((sum, part) => sum + part[pixel]!, 0));
      expect(Math.max(...covered)).toBe(1);
      expect(covered.filter(Boolean)).toHaveLength(area);
      expect(boundingBox(covered, width)).toEqual([bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]]);
    }
  });

  test("outlines a copied object by its box", async () => {
    const sample = await splits.train.get(0);
    const copy: Scenes = { length: 1, get: async () => structuredClone(sample) };
    const other = await mkdtemp(join(tmpdir(), "scenes-"));
    const { instances } = await writeScenes(
      { train: copy },
      { root: other, dataset: "refcocog", splitBy: "umd" },
    );
    const [first] = (JSON.parse(await readFile(instances, "utf8")) as Instances).annotations;
    expect(first!.area).toBe(first!.bbox[2] * first!.bbox[3]);
    expect((await refCoco({ root: other, dataset: "refcocog", split: "train" })).length).toBe(1);
    await rm(other, { recursive: true });
  });

  test("writes references with the fields that refer reads", async () => {
    const refs = readPickle(await readFile(written.refs)) as unknown as readonly unknown[];
    expect(refs[26]).toMatchInlineSnapshot(`
      Map {
        "sent_ids" => [
          26,
        ],
        "file_name" => "COCO_train2014_000000000027_26.png",
        "ann_id" => 99,
        "ref_id" => 26,
        "image_id" => 27,
        "split" => "val",
        "category_id" => 12,
        "sentences" => [
          Map {
            "tokens" => [
              "the",
              "yellow",
              "thing",
            ],
            "raw" => "the yellow thing",
            "sent_id" => 26,
            "sent" => "the yellow thing",
          },
        ],
      }
    `);
  });

  test("refuses to overwrite, an empty split, and a box that belongs to no object", async () => {
    await expect(writeScenes(splits, { root })).rejects.toThrow(
      "instances.json exists already. Write to another root",
    );
    const empty = await mkdtemp(join(tmpdir(), "scenes-"));
    const none: Scenes = { length: 0, get: () => Promise.reject(new Error("empty")) };
    await expect(writeScenes({ val: none }, { root: empty })).rejects.toThrow(
      'The split "val" has no samples.',
    );
    const sample = await splits.train.get(0);
    const box: Box = [0, 0, 1, 1];
    const wrong: Scenes = { length: 1, get: async () => ({ ...sample, target: { ...sample.target, box } }) };
    await expect(writeScenes({ val: wrong }, { root: empty })).rejects.toThrow(
      "[0, 0, 1, 1] is the box of no object",
    );
    await rm(empty, { recursive: true });
  });
});

/** The pixels inside a polygon of horizontal and vertical edges, by counting the vertical edges to their left. */
function fill(polygon: readonly number[], width: number, height: number): number[] {
  const mask = Array<number>(width * height).fill(0);
  for (let i = 0; i < polygon.length; i += 2) {
    const [x1, y1, x2, y2] = [0, 1, 2, 3].map((k) => polygon[(i + k) % polygon.length]!) as [
      number,
      number,
      number,
      number,
    ];
    if (x1 !== x2) continue;
    for (let y = Math.min(y1, y2); y < Math.max(y1, y2); y++) {
      for (let x = x1; x < width; x++) mask[y * width + x]! ^= 1;
    }
  }
  return mask;
}

function boundingBox(mask: readonly number[], width: number): number[] {
  const pixels = [...mask.keys()].filter((pixel) => mask[pixel]);
  const xs = pixels.map((pixel) => pixel % width);
  const ys = pixels.map((pixel) => Math.floor(pixel / width));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1];
}
