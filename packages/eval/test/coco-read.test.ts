import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evaluateCoco } from "../src/coco/average-precision.ts";
import type { CocoFile, CocoResult } from "../src/coco/tables.ts";
import { evaluateCocoFiles, readCocoAnnotations, readCocoResults } from "../src/files.ts";
import { fixture } from "./fixture.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coco-read-"));
});
afterAll(() => rm(folder, { recursive: true }));

const write = async (name: string, content: unknown): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};

const annotations: CocoFile = {
  images: [{ id: 3, width: 50, height: 40 }],
  categories: [{ id: 1, name: "cat" }],
  annotations: [{ id: 8, image_id: 3, category_id: 1, bbox: [1, 2, 30, 30], area: 900, iscrowd: 0 }],
};
const result: CocoResult = { image_id: 3, category_id: 1, bbox: [1, 2, 30, 30], score: 0.5 };

/** The error of an evaluation, without the folder's name. */
async function errorOf(file: unknown, results: unknown, iouType: "bbox" | "segm" = "bbox"): Promise<string> {
  const paths = { annotations: await write("gt.json", file), results: await write("dt.json", results) };
  const error: unknown = await evaluateCocoFiles({ ...paths, iouType }).catch((cause: unknown) => cause);
  return VlmR1Error.is(error) ? `${error.code}: ${error.message}`.replaceAll(folder, "") : "no error";
}

describe("files", () => {
  test.each(["bbox", "segm"] as const)("give the same numbers as parsed objects: %s", async (iouType) => {
    const file = fixture<CocoFile>("coco-val2014-100/instances_val2014_100.json.gz");
    const results = fixture<CocoResult[]>(
      `coco-val2014-100/instances_val2014_fake${iouType}100_results.json.gz`,
    );
    const paths = { annotations: await write("gt.json", file), results: await write("dt.json", results) };
    const fromFiles = await evaluateCocoFiles({ ...paths, iouType });
    expect(fromFiles.stats).toEqual(evaluateCoco({ annotations: file, results, iouType }).stats);
    expect(fromFiles.categories).toHaveLength(80);
  });
  test("become tables that can be evaluated more than once", async () => {
    const table = await readCocoAnnotations(await write("gt.json", annotations));
    const results = await readCocoResults(await write("dt.json", [result]));
    const evaluations = [true, false].map((useCats) =>
      evaluateCoco({ annotations: table, results, useCats }),
    );
    expect(evaluations.map(({ summary }) => summary.ap > 0.99)).toEqual([true, true]);
  });
  test("read without masks cannot be evaluated by mask", async () => {
    const table = await readCocoAnnotations(await write("gt.json", annotations));
    expect(() => evaluateCoco({ annotations: table, results: [result], iouType: "segm" })).toThrow(
      /read it with \{ masks: true \}/u,
    );
  });
});

describe("bad files are refused with file, record, field and value", () => {
  const withAnnotation = (change: object): unknown => ({
    ...annotations,
    annotations: [{ ...annotations.annotations[0], ...change }],
  });
  test.each<[string, unknown, unknown]>([
    ["no file of that shape", { images: [] }, [result]],
    ["an annotation without area", withAnnotation({ area: undefined }), [result]],
    ["an annotation whose category is a name", withAnnotation({ category_id: "cat" }), [result]],
    ["an annotation without a box", withAnnotation({ bbox: undefined }), [result]],
    ["iscrowd that is no flag", withAnnotation({ iscrowd: 2 }), [result]],
    [
      "two annotations of one id",
      { ...annotations, annotations: [...annotations.annotations, ...annotations.annotations] },
      [result],
    ],
    ["an image without id", { ...annotations, images: [{ width: 3 }] }, [result]],
    ["a record that is none", { ...annotations, categories: [null] }, [result]],
    ["a result without score", annotations, [result, { ...result, score: undefined }]],
    ["a result whose box has three numbers", annotations, [{ ...result, bbox: [1, 2, 3] }]],
    ["a result whose box is text", annotations, [{ ...result, bbox: "1 2 3 4" }]],
    ["a result with neither box nor mask", annotations, [result, { ...result, bbox: undefined }]],
    ["a result on an unknown image", annotations, [{ ...result, image_id: 99 }]],
    ["results that are an object", annotations, { results: [result] }],
    ["results that are cut off", annotations, '[{"image_id":3'],
  ])("%s", async (_, file, results) => {
    expect(await errorOf(file, results)).toMatchSnapshot();
  });
  test.each<[string, unknown, unknown]>([
    ["an annotation without a mask", annotations, [result]],
    ["a mask of the wrong size", withAnnotation({ segmentation: { size: [2, 2], counts: [1] } }), [result]],
    [
      "a polygon on an image without a size",
      {
        ...annotations,
        images: [{ id: 3 }],
        annotations: [{ ...annotations.annotations[0], segmentation: [[1, 1, 9, 1, 9, 9]] }],
      },
      [result],
    ],
  ])("by mask: %s", async (_, file, results) => {
    expect(await errorOf(file, results, "segm")).toMatchSnapshot();
  });
  test("a file that is not there", async () => {
    const error: unknown = await readCocoResults(join(folder, "none.json")).catch((cause: unknown) => cause);
    expect(VlmR1Error.is(error, "not-found")).toBe(true);
  });
});
