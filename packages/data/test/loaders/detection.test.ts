import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { expect, test } from "vitest";
import { cocoDetection, detectionQuestion, withSubstitutes } from "../../src/index.ts";
import { all, copyOf, published, refusal, temporaryFolder, train2014 } from "../published.ts";

const annotations = join(published, "coco/instances.json");

interface CocoJson {
  images: Record<string, unknown>[];
  annotations: Record<string, unknown>[];
  categories: Record<string, unknown>[];
}

/** The published file with a change, in a folder of its own. */
async function changed(change: (file: CocoJson) => void): Promise<{ annotations: string; images: string }> {
  const folder = await copyOf("coco", "images");
  const path = join(folder, "coco/instances.json");
  const file = JSON.parse(await readFile(path, "utf8")) as CocoJson;
  change(file);
  await writeFile(path, JSON.stringify(file));
  return { annotations: path, images: join(folder, "images/mscoco/images/train2014") };
}

test("gives one sample an image, with its objects and crowds apart", async () => {
  const dataset = await cocoDetection({ annotations, images: train2014 });
  expect(dataset.length).toBe(3);
  expect([...dataset.categories]).toEqual([
    [1, "person"],
    [18, "dog"],
    [90, "toothbrush"],
  ]);
  const { id, prompt, images, target } = await dataset.get(0);
  expect(id).toBe("9");
  expect(prompt).toBe(detectionQuestion(["person", "dog", "toothbrush"]));
  expect(images.map(({ width, height }) => [width, height])).toEqual([[64, 48]]);
  expect(target.fileName).toBe("COCO_train2014_000000000009.jpg");
  expect(target.objects.map(({ box, label, annotationId }) => [box, label, annotationId])).toEqual([
    [[16, 12, 32, 24], "person", 1719310],
    [[1.5, 2.25, 1.5 + 10.01, 2.25 + 20.99], "dog", 20],
    [[30, 10, 50, 20], "toothbrush", 21],
  ]);
  expect(target.crowds.map(({ annotationId, area }) => [annotationId, area])).toEqual([[900100000009, 200]]);
  expect((await dataset.get(2)).target.objects).toEqual([]);
});

test("keeps polygons, run lengths and compressed run lengths as they are", async () => {
  const { objects, crowds } = (await (await cocoDetection({ annotations, images: train2014 })).get(0)).target;
  expect(objects[0]!.segmentation).toEqual([[16, 12, 32, 12, 32, 24, 16, 24]]);
  expect(objects[2]!.segmentation).toMatchObject({ size: [48, 64], counts: expect.any(String) });
  const outline = crowds[0]!.segmentation as unknown as { size: number[]; counts: number[] };
  expect(outline.size).toEqual([48, 64]);
  expect(outline.counts.slice(0, 3)).toEqual([30 * 48 + 10, 10, 38]);
  expect(outline.counts.reduce((sum, run) => sum + run, 0)).toBe(48 * 64);
});

test("reads boxes to the last digit, like JSON.parse", async () => {
  const file = JSON.parse(await readFile(annotations, "utf8")) as CocoJson;
  const dataset = await cocoDetection({ annotations, images: train2014, segmentation: false });
  const objects = (await all(dataset)).flatMap(({ target }) => [...target.objects, ...target.crowds]);
  for (const { annotationId, box, area } of objects) {
    const record = file.annotations.find(({ id }) => id === annotationId)!;
    const [x, y, width, height] = record["bbox"] as number[];
    expect(box).toEqual([x, y, x! + width!, y! + height!]);
    expect(area).toBe(record["area"]);
  }
});

test("takes the sections in any order, and passes over what it does not know", async () => {
  const folder = await copyOf("coco");
  const path = join(folder, "coco/instances.json");
  const { images, annotations: objects, categories } = JSON.parse(await readFile(path, "utf8")) as CocoJson;
  const unknown = { nested: [{ a: ']}\\"' }], text: "{[", number: -1e-3, none: null };
  await writeFile(
    path,
    `\ufeff${JSON.stringify({ unknown, categories, annotations: objects, list: [[], {}, 1, "x"], images }, undefined, 2)}\n\n`,
  );
  const dataset = await cocoDetection({ annotations: path, images: train2014 });
  expect((await dataset.get(0)).target.objects.length).toBe(3);
});

test.each<[string, (file: CocoJson) => void, RegExp]>([
  [
    "a missing id",
    ({ images }) => delete images[1]!["id"],
    /images\[1\]\.id: this should be a finite number, found nothing/,
  ],
  ["an id that is text", ({ images }) => (images[1]!["id"] = "x7"), /images\[1\]\.id: .* found "x7"/],
  [
    "an id with a fraction",
    ({ annotations }) => (annotations[2]!["id"] = 1.5),
    /annotations\[2\]\.id: .*whole number, found 1\.5/,
  ],
  [
    "two images with one id",
    ({ images }) => (images[2]!["id"] = 9),
    /images\[2\]\.id: another image has this id.*found 9/,
  ],
  [
    "two annotations with one id",
    ({ annotations }) => (annotations[1]!["id"] = 1719310),
    /annotations\[1\]\.id: another annotation/,
  ],
  [
    "two categories with one id",
    ({ categories }) => (categories[1]!["id"] = 1),
    /categories\[1\]\.id: another category/,
  ],
  [
    "an image that is not listed",
    ({ annotations }) => (annotations[0]!["image_id"] = 10),
    /annotations\[0\]\.image_id: there is no image with the id 10/,
  ],
  [
    "a category that is not listed",
    ({ annotations }) => (annotations[0]!["category_id"] = 2),
    /annotations\[0\]\.category_id: there is no category with the id 2/,
  ],
  [
    "a box of three numbers",
    ({ annotations }) => (annotations[0]!["bbox"] = [1, 2, 3]),
    /annotations\[0\]\.bbox: .*four numbers, found \[1,2,3\]/,
  ],
  [
    "a box with a negative width",
    ({ annotations }) => (annotations[0]!["bbox"] = [9, 9, -3, 4]),
    /should not be negative, found \[9,9,-3,4\]/,
  ],
  [
    "a box outside its image",
    ({ annotations }) => (annotations[0]!["bbox"] = [60, 5, 16, 5]),
    /annotations\[0\]\.bbox: the box reaches from \(60, 5\) to \(76, 10\), outside its image .* of 64x48/,
  ],
  [
    "a crowd flag of 2",
    ({ annotations }) => (annotations[0]!["iscrowd"] = 2),
    /annotations\[0\]\.iscrowd: this should be 0 or 1, found 2/,
  ],
  ["an image without a name", ({ images }) => (images[0]!["file_name"] = ""), /images\[0\]\.file_name/],
  [
    "an image of no width",
    ({ images }) => (images[0]!["width"] = 0),
    /images\[0\]\.width: a width should be at least 1 pixel, found 0/,
  ],
  [
    "a path that leaves the folder",
    ({ images }) => (images[0]!["file_name"] = "../../secret.jpg"),
    /not inside the folder/,
  ],
  ["an absolute path", ({ images }) => (images[0]!["file_name"] = "/etc/passwd"), /not inside the folder/],
  [
    "a record that is no object",
    ({ annotations }) => annotations.splice(0, 1, 7 as unknown as (typeof annotations)[0]),
    /annotations\[0\]: this should be an object/,
  ],
  [
    "a section that is missing",
    (file) => delete (file as Partial<CocoJson>).categories,
    /there is no list "categories"/,
  ],
  [
    "a section that is no list",
    (file) => (file.images = {} as unknown as CocoJson["images"]),
    /"images" should be an array/,
  ],
])("refuses %s, naming the place and the value", async (_, change, message) => {
  const options = await changed(change);
  expect(await refusal(() => cocoDetection(options))).toMatch(message);
});

test("skips what it would refuse, counts it, and never keeps an image whose truth is incomplete", async () => {
  const options = await changed(({ annotations }) => (annotations[4]!["bbox"] = "wrong"));
  const dataset = await cocoDetection({ ...options, onBadSample: "skip" });
  expect((await all(dataset)).map(({ id }) => id)).toEqual(["9", "34"]);
  expect(dataset.skipped.count).toBe(1);
  expect(dataset.skipped.errors[0]!.message).toMatch(/annotations\[4\]\.bbox/);
});

test("leaves out boxes without area, as COCO's own files have, and counts them", async () => {
  const options = await changed(({ annotations }) => (annotations[1]!["bbox"] = [3, 3, 0, 5]));
  const dataset = await cocoDetection(options);
  expect((await dataset.get(0)).target.objects.map(({ label }) => label)).toEqual(["person", "toothbrush"]);
  expect(dataset.skipped.count).toBe(1);
  expect(dataset.skipped.errors[0]!.message).toMatch(/annotations\[1\]\.bbox: the box is empty/);
});

test("refuses NaN, which Python writes and JSON does not have", async () => {
  const folder = await copyOf("coco");
  const path = join(folder, "coco/instances.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace("16.0, 12.0, 16.0, 12.0]", "NaN, 12.0, 16.0, 12.0]"));
  expect(await refusal(() => cocoDetection({ annotations: path, images: train2014 }))).toMatch(
    /annotations\[0\]\.bbox: .*found \[NaN/,
  );
});

test("a segmentation that is not what the image needs is an error when its sample is read", async () => {
  const dataset = await cocoDetection(
    await changed(({ annotations }) => (annotations[0]!["segmentation"] = [[1, 2, 3]])),
  );
  expect(await refusal(() => dataset.get(0))).toMatch(/annotations\[0\]\.segmentation: polygons/);
  const crowd = await cocoDetection(
    await changed(
      ({ annotations }) => (annotations[2]!["segmentation"] = { size: [64, 48], counts: [64 * 48] }),
    ),
  );
  expect(await refusal(() => crowd.get(0))).toMatch(/annotations\[2\]\.segmentation: .*\[48, 64\]/);
});

test("refuses an image of another size than the annotations say", async () => {
  const dataset = await cocoDetection(await changed(({ images }) => (images[2]!["width"] = 41)));
  expect(await refusal(() => dataset.get(2))).toMatch(
    /images\[2\]: the image .* has 40x56 pixels and the file says 41x56/,
  );
});

test("an image that is missing or cut off is an error, or skipped and counted", async () => {
  const folder = await copyOf("coco", "images");
  const images = join(folder, "images/mscoco/images/train2014");
  await rm(join(images, "COCO_train2014_000000000009.jpg"));
  await truncate(join(images, "COCO_train2014_000000000034.jpg"), 500);
  const options = { annotations: join(folder, "coco/instances.json"), images };
  const strict = await cocoDetection(options);
  expect(await refusal(() => strict.get(0))).toMatch(/^not-found: .*images\[0\]: There is nothing at/);
  expect(await refusal(() => strict.get(2))).toMatch(/^invalid-data: .*images\[2\]: Cannot decode/);
  const lenient = await cocoDetection({ ...options, onBadSample: "skip" });
  expect(lenient.length).toBe(2); // the missing image is known at once, the damaged one when it is decoded
  expect(lenient.skipped.count).toBe(1);
  // Whoever evaluates gets the error: a neighbour in its place would be counted twice.
  expect((await lenient.get(0)).id).toBe("581857");
  expect(await refusal(() => lenient.get(1))).toMatch(/^invalid-data: .*images\[2\]: Cannot decode/);
  const named: [string, number][] = [];
  const training = withSubstitutes(lenient, {
    onBadSample: ({ message }, index) => void named.push([/images\[\d\]/.exec(message)![0], index]),
  });
  expect((await all(training)).map(({ id }) => id)).toEqual(["581857", "581857"]);
  expect((await all(training)).length).toBe(2);
  expect([training.skipped.count, named]).toEqual([2, [["images[2]", 1]]]);
});

test("training replaces what the model cannot use, and says so when nothing is left", async () => {
  const dataset = await cocoDetection({ annotations, images: train2014 });
  const check = ({ id }: { readonly id: string }): void => {
    if (id !== "581857") throw new VlmR1Error("limit", `sample ${id}: the prompt has 900 tokens`);
  };
  const training = withSubstitutes(dataset, { check });
  expect((await all(training)).map(({ id }) => id)).toEqual(["581857", "581857", "581857"]);
  expect(training.skipped.errors.map(({ code }) => code)).toEqual(["limit", "limit"]);
  const none = withSubstitutes(dataset, {
    check: () => {
      throw new VlmR1Error("invalid-data", "none is good");
    },
  });
  expect(await refusal(() => none.get(0))).toMatch(/None of the 3 samples can be used for training/);
  const broken = withSubstitutes(dataset, {
    check: () => {
      throw new TypeError("a mistake of the program");
    },
  });
  await expect(broken.get(0)).rejects.toThrow(TypeError);
});

test("boxes in the pixels of a picture as it is stored: the error names the switch", async () => {
  const folder = await temporaryFolder();
  await writeFile(
    join(folder, "turned.jpg"),
    await readFile(new URL("../images/fixtures/field-rot.jpg", import.meta.url)),
  );
  const file = {
    images: [{ id: 1, file_name: "turned.jpg", width: 48, height: 36 }],
    categories: [{ id: 1, name: "cat" }],
    annotations: [
      {
        id: 1,
        image_id: 1,
        category_id: 1,
        bbox: [4, 4, 40, 30],
        iscrowd: null,
        segmentation: [[1, 2, 3, 4]],
      },
    ],
  };
  const options = { annotations: join(folder, "a.json"), images: folder };
  await writeFile(options.annotations, JSON.stringify(file));
  const upright = await cocoDetection(options);
  expect(await refusal(() => upright.get(0))).toMatch(
    /has 36x48 pixels and the file says 48x36.*EXIF.*exifRotation: false/,
  );
  const stored = await cocoDetection({ ...options, exifRotation: false });
  const { images, target } = await stored.get(0);
  expect([images[0]!.width, target.objects[0]!.box, target.crowds]).toEqual([48, [4, 4, 44, 34], []]);
  expect(target.objects[0]!.segmentation).toEqual([[1, 2, 3, 4]]); // two points, as published files have them
});

test("two categories of one name are asked for once; an id above 2^53 is refused", async () => {
  const folder = await copyOf("coco", "images");
  const path = join(folder, "coco/instances.json");
  const file = JSON.parse(await readFile(path, "utf8")) as { categories: { id: number; name: string }[] };
  const [first] = file.categories;
  await writeFile(
    path,
    JSON.stringify({ ...file, categories: [...file.categories, { id: 999, name: first!.name }] }),
  );
  const options = { annotations: path, images: join(folder, "images/mscoco/images/train2014") };
  const { prompt } = await (await cocoDetection(options)).get(0);
  expect(prompt).toBe((await (await cocoDetection({ annotations, images: train2014 })).get(0)).prompt);
  await writeFile(
    path,
    (await readFile(path, "utf8"))
      .replace('"id": 999', '"id": 9007199254740993')
      .replace('"id":999', '"id":9007199254740993'),
  );
  expect(await refusal(() => cocoDetection(options))).toMatch(
    /categories\[\d+\]\.id: this should be below 2\^53.*found 9007199254740993/,
  );
});

test("refuses a file cut off anywhere", async () => {
  const folder = await copyOf("coco");
  const path = join(folder, "coco/instances.json");
  const bytes = await readFile(annotations);
  for (let length = 0; length < bytes.length; length += 37) {
    await writeFile(path, bytes.subarray(0, length));
    expect(await refusal(() => cocoDetection({ annotations: path, images: train2014 }))).toMatch(
      /^invalid-data: .*(cut off|empty)/,
    );
  }
});

test("names files and folders that are not there", async () => {
  expect(await refusal(() => cocoDetection({ annotations: "nowhere.json", images: train2014 }))).toMatch(
    /^not-found: .*nowhere\.json/,
  );
  expect(await refusal(() => cocoDetection({ annotations, images: "nowhere" }))).toMatch(
    /^not-found: There is no image folder at nowhere/,
  );
  expect(await refusal(() => cocoDetection({ annotations: train2014, images: train2014 }))).toMatch(
    /^invalid-data: .*not a file/,
  );
});

test("refuses an index outside the dataset", async () => {
  const dataset = await cocoDetection({ annotations, images: train2014 });
  for (const index of [-1, 3, 0.5, Number.NaN]) {
    expect(await refusal(() => dataset.get(index))).toMatch(/^invalid-argument: .*0\.\.2/);
  }
});
