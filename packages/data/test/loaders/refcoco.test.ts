import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPickle, refCoco, writePickle, type Picklable, type RefCocoOptions } from "../../src/index.ts";
import { all, copyOf, published, refusal } from "../published.ts";

const root = join(published, "images/..");
const options = { root, images: join(published, "images/mscoco/images/train2014") } as const;

const expressions = async (
  dataset: RefCocoOptions["dataset"],
  split: string,
  more: object = {},
): Promise<string[]> =>
  (await all(await refCoco({ ...options, dataset, split, ...more }))).map(({ target }) => target.expression);

test("gives one sample an expression, with the box in pixels and the name of the image file", async () => {
  const dataset = await refCoco({ ...options, dataset: "refcoco", split: "val" });
  expect(dataset.length).toBe(2);
  const { id, prompt, images, target } = await dataset.get(0);
  expect(id).toBe("refcoco/4");
  expect(prompt).toBe(
    "Please provide the bounding box coordinate of the region this sentence describes: left guy. First output the thinking process " +
      "in <think> </think> tags and then output the final answer in <answer> </answer> tags. Output the final answer in JSON format.",
  );
  expect(images[0]).toMatchObject({ width: 60, height: 40 });
  expect(target).toEqual({
    box: [15, 10, 30.02, 20],
    expression: "left guy",
    category: "person",
    refId: 2,
    sentenceId: 4,
    annotationId: 22,
    imageId: 581857,
    fileName: "COCO_train2014_000000581857.jpg", // and not the ref's own COCO_train2014_000000581857_0.jpg
  });
});

test("finds the images where refer keeps them", async () => {
  const folder = await copyOf("refcoco", "images");
  const dataset = await refCoco({
    root: join(folder),
    images: join(folder, "images/mscoco/images/train2014"),
    dataset: "refcoco",
    split: "val",
  });
  expect((await dataset.get(1)).images.length).toBe(1);
  expect(await refusal(() => refCoco({ root: folder, dataset: "refclef", split: "val" }))).toMatch(
    /saiapr_tc-12/,
  );
});

test("splits as refer does: testA is every split with an A in its name", async () => {
  expect(await expressions("refcoco", "train")).toEqual([
    "the lady with the blue shirt",
    "lady with back to us",
    "blue shirt",
  ]);
  expect(await expressions("refcoco", "testA")).toEqual(["top", "stripe"]);
  expect(await expressions("refcoco", "testB")).toEqual(["dog", "stripe"]);
  expect(await expressions("refcoco", "test")).toEqual(["dog", "top", "stripe"]);
  expect(await expressions("refcocog", "test")).toEqual(["dog", "top", "stripe"]);
  expect(await expressions("refcoco", "testAB")).toEqual(["stripe"]);
});

// Written by Python 2's cPickle, and with protocols 2, 4 and 0 of Python 3.
test.each([
  ["refcoco", {}],
  ["refcoco", { splitBy: "google" }],
  ["refcoco+", {}],
  ["refcocog", {}],
] as const)("reads the refs of %s (%o) in its own pickle protocol", async (dataset, more) => {
  expect(await expressions(dataset, "val", more)).toEqual(["left guy", "caf man"]);
});

test("asks the expression as it was typed on request", async () => {
  expect(await expressions("refcoco", "val", { expression: "raw" })).toEqual(["left guy", "café man"]);
});

test("gives the object's polygons on request", async () => {
  const dataset = await refCoco({ ...options, dataset: "refcoco", split: "train", segmentation: true });
  expect((await dataset.get(0)).target.segmentation).toEqual([[16, 12, 32, 12, 32, 24, 16, 24]]);
});

test("takes questions and templates of the caller's", async () => {
  const question = (expression: string): string => `Where is ${expression}?`;
  const dataset = await refCoco({
    ...options,
    dataset: "refcoco",
    split: "val",
    question,
    template: (text) => `${text}!`,
  });
  expect((await dataset.get(0)).prompt).toBe("Where is left guy?!");
});

type Json = Record<string, Picklable>;

/** refcoco with changed refs, in a folder of its own. */
async function changedRefs(change: (refs: Json[]) => void): Promise<{ root: string; images: string }> {
  const folder = await copyOf("refcoco", "images");
  const path = join(folder, "refcoco/refs(unc).p");
  const refs = toJson(readPickle(await readFile(path))) as Json[];
  change(refs);
  await writeFile(path, writePickle(refs));
  return { root: folder, images: join(folder, "images/mscoco/images/train2014") };
}

function toJson(value: unknown): Picklable {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, member]) => [String(key), toJson(member)]));
  return Array.isArray(value) ? value.map(toJson) : (value as Picklable);
}

test.each<[string, (refs: Json[]) => void, RegExp]>([
  [
    "a ref without an annotation id",
    (refs) => delete refs[2]!["ann_id"],
    /refs\[2\]\.ann_id: a whole number should be here, found nothing/,
  ],
  [
    "an annotation that is not there",
    (refs) => (refs[2]!["ann_id"] = 5),
    /refs\[2\]\.ann_id: there is no annotation with the id 5/,
  ],
  [
    "an annotation of another image",
    (refs) => (refs[2]!["image_id"] = 9),
    /refs\[2\]\.image_id: the ref says image 9, and its annotation 22 says image 581857/,
  ],
  [
    "a sentence id that occurs twice",
    (refs) => ((refs[2]!["sentences"] as Json[])[1]!["sent_id"] = 4),
    /sentences\[1\]\.sent_id: another sentence has this id/,
  ],
  [
    "an empty sentence",
    (refs) => ((refs[2]!["sentences"] as Json[])[0]!["sent"] = " "),
    /sentences\[0\]\.sent: text should be here, found " "/,
  ],
  ["no sentences", (refs) => (refs[2]!["sentences"] = []), /refs\[2\]\.sentences: a list/],
  [
    "a ref that is no dict",
    (refs) => refs.splice(2, 1, 3 as unknown as Json),
    /refs\[2\]: a dict should be here, found 3/,
  ],
])("refuses %s, and can skip it", async (_, change, message) => {
  const changed = await changedRefs(change);
  expect(await refusal(() => refCoco({ ...changed, dataset: "refcoco", split: "val" }))).toMatch(message);
  const lenient = await refCoco({ ...changed, dataset: "refcoco", split: "val", onBadSample: "skip" });
  expect(lenient.skipped.count).toBeGreaterThan(0);
  expect((await all(lenient)).length).toBeLessThan(2);
});

test("a box that lies outside its image is an error of the expressions that refer to it", async () => {
  const folder = await copyOf("refcoco", "images");
  const path = join(folder, "refcoco/instances.json");
  await writeFile(
    path,
    (await readFile(path, "utf8")).replace("[15.0, 10.0, 15.02, 10.0]", "[55.0, 10.0, 15.02, 10.0]"),
  );
  const changed = {
    root: folder,
    images: join(folder, "images/mscoco/images/train2014"),
    dataset: "refcoco",
  } as const;
  expect(await refusal(() => refCoco({ ...changed, split: "val" }))).toMatch(
    /annotations\[4\]\.bbox: .*outside its image/,
  );
  expect((await refCoco({ ...changed, split: "train" })).length).toBe(3);
});

test("says which splits there are", async () => {
  expect(await refusal(() => refCoco({ ...options, dataset: "refcoco", split: "dev" }))).toMatch(
    /^invalid-argument: .*no split "dev"; its splits are "train", "testB", "val", "testA", "testAB"/,
  );
});

test("runs nothing that a pickle asks for", async () => {
  const folder = await copyOf("refcoco", "images");
  await writeFile(join(folder, "refcoco/refs(unc).p"), "cos\nsystem\n(S'echo'\ntR.");
  const changed = { root: folder, images: join(folder, "images"), dataset: "refcoco", split: "val" } as const;
  expect(await refusal(() => refCoco(changed))).toMatch(
    /refs\(unc\)\.p, pickle byte 0: opcode GLOBAL would import a name: os\.system/,
  );
  expect(await refusal(() => refCoco({ ...changed, onBadSample: "skip" }))).toMatch(/opcode GLOBAL/);
});

test("names the files that are missing", async () => {
  const folder = await copyOf("refcoco", "images");
  await rm(join(folder, "refcoco/instances.json"));
  const changed = { root: folder, images: join(folder, "images"), dataset: "refcoco", split: "val" } as const;
  expect(await refusal(() => refCoco(changed))).toMatch(/^not-found: .*instances\.json/);
  expect(await refusal(() => refCoco({ ...changed, splitBy: "berkeley" }))).toMatch(
    /^not-found: .*refs\(berkeley\)\.p/,
  );
});
