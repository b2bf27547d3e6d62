import { createRng } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { cocoSummaryText, evaluateCoco } from "../src/coco/average-precision.ts";
import type { CocoFile, CocoResult } from "../src/coco/tables.ts";
import { fixture, greatestDifference } from "./fixture.ts";

interface CocoCase {
  readonly name: string;
  readonly gt: CocoFile;
  readonly dt: CocoResult[];
  readonly options: { readonly maxDets?: number[]; readonly useCats?: number };
  readonly stats: number[];
}

describe("pycocotools' COCOeval", () => {
  test.each(fixture<CocoCase[]>("coco_eval_cases.json"))("$name", ({ gt, dt, options, stats }) => {
    const { useCats = 1, ...rest } = options;
    const evaluation = evaluateCoco({ annotations: gt, results: dt, ...rest, useCats: useCats === 1 });
    expect(greatestDifference(evaluation.stats, stats)).toBeLessThan(1e-12);
  });
  test("torchmetrics' test inputs", () => {
    const { gt, dt, stats } = fixture<CocoCase>("torchmetrics_inputs.json");
    expect(greatestDifference(evaluateCoco({ annotations: gt, results: dt }).stats, stats)).toBeLessThan(
      1e-12,
    );
  });
  test("100 images of COCO val2014 with the published fake detections: boxes and masks", () => {
    const annotations = fixture<CocoFile>("coco-val2014-100/instances_val2014_100.json.gz");
    const expected = fixture<Record<"bbox" | "segm", number[]>>("coco-val2014-100/expected_val2014_100.json");
    for (const iouType of ["bbox", "segm"] as const) {
      const results = fixture<CocoResult[]>(
        `coco-val2014-100/instances_val2014_fake${iouType}100_results.json.gz`,
      );
      const { stats } = evaluateCoco({ annotations, results, iouType });
      expect(greatestDifference(stats, expected[iouType])).toBeLessThan(1e-12);
    }
  });
  test("extra cases made with pycocotools: crowds, ignored sizes, ties, id 0, merged categories, masks", () => {
    const cases =
      fixture<(CocoCase & { iouType: "bbox" | "segm"; perCategory: Record<string, number[]> })[]>(
        "coco_extra_cases.json.gz",
      );
    expect(cases.length).toBeGreaterThan(100);
    for (const { gt, dt, options, iouType, stats, perCategory } of cases) {
      const { useCats = 1, ...rest } = options;
      const evaluation = evaluateCoco({
        annotations: gt,
        results: dt,
        iouType,
        ...rest,
        useCats: useCats === 1,
      });
      expect(greatestDifference(evaluation.stats, stats)).toBeLessThan(1e-12);
      for (const category of evaluation.categories) {
        expect(greatestDifference(category.stats, perCategory[category.id] as number[])).toBeLessThan(1e-12);
      }
    }
  });
});

const annotations: CocoFile = {
  images: [{ id: 1, width: 100, height: 100 }],
  categories: [
    { id: 1, name: "cat" },
    { id: 2, name: "dog" },
  ],
  annotations: [
    { id: 0, image_id: 1, category_id: 1, bbox: [10, 10, 40, 40], area: 1600, iscrowd: 0 },
    { id: 1, image_id: 1, category_id: 2, bbox: [50, 50, 40, 40], area: 1600, iscrowd: 0 },
  ],
};
const results: CocoResult[] = [
  { image_id: 1, category_id: 1, bbox: [10, 10, 40, 40], score: 0.9 },
  { image_id: 1, category_id: 2, bbox: [50, 50, 40, 40], score: 0.8 },
];

describe("options", () => {
  test("a match with annotation id 0 is wrong as in pycocotools, or right on request", () => {
    expect(evaluateCoco({ annotations, results }).summary.ap50).toBeCloseTo(0.5, 12);
    expect(evaluateCoco({ annotations, results, zeroId: "matched" }).summary.ap50).toBeCloseTo(1, 12);
  });
  test("categories have their own numbers, by name", () => {
    const { categories } = evaluateCoco({ annotations, results });
    expect(categories.map(({ name, truths, summary }) => [name, truths, summary.ap50 > 0.9])).toEqual([
      ["cat", 1, false],
      ["dog", 1, true],
    ]);
  });
  test("area ranges can be one's own", () => {
    const areaRanges = { all: [0, 1e10], small: [0, 1600], medium: [1601, 1e4], large: [1e4, 1e10] } as const;
    const { summary } = evaluateCoco({ annotations, results, zeroId: "matched", areaRanges });
    expect([summary.apSmall > 0.99, summary.apMedium, summary.apLarge]).toEqual([true, -1, -1]);
  });
  test("one threshold of one's own gives AP at that threshold and -1 for the missing ones", () => {
    const { summary } = evaluateCoco({ annotations, results, zeroId: "matched", iouThresholds: [0.75] });
    expect([summary.ap > 0.99, summary.ap50, summary.ap75 > 0.99]).toEqual([true, -1, true]);
  });
  test("no detections at all score 0, no truths at all -1", () => {
    expect(evaluateCoco({ annotations, results: [] }).summary).toMatchObject({ ap: 0, ar100: 0 });
    expect(evaluateCoco({ annotations: { ...annotations, annotations: [] }, results }).summary).toMatchObject(
      { ap: -1, ar100: -1 },
    );
    expect(
      evaluateCoco({ annotations: { images: [], categories: [], annotations: [] }, results: [] }).stats,
    ).toEqual(Array(12).fill(-1));
  });
  test("detections of unknown categories count for nothing and are reported", () => {
    const unknown: CocoResult = { image_id: 1, category_id: 7, bbox: [0, 0, 9, 9], score: 1 };
    const [without, withUnknown] = [results, [unknown, ...results]].map((list) =>
      evaluateCoco({ annotations, results: list }),
    );
    expect(withUnknown?.stats).toEqual(without?.stats);
    expect([without?.unknownCategory, withUnknown?.unknownCategory]).toEqual([0, 1]);
  });
});

describe("properties", () => {
  test("the order of results without equal scores, and an order-preserving change of scores, do not matter", () => {
    const { gt, dt } = fixture<CocoCase>("torchmetrics_inputs.json");
    const rng = createRng(1);
    const distinct = dt.map((result, i) => ({ ...result, score: result.score + i * 1e-9 }));
    const { stats } = evaluateCoco({ annotations: gt, results: distinct });
    for (let i = 0; i < 5; i++) {
      const shuffled = rng
        .shuffled(distinct)
        .map((result) => ({ ...result, score: Math.exp(result.score) - 5 }));
      expect(evaluateCoco({ annotations: gt, results: shuffled }).stats).toEqual(stats);
    }
  });
});

describe("the summary text", () => {
  test("reads like pycocotools' own", () => {
    expect(cocoSummaryText(evaluateCoco({ annotations, results }))).toMatchInlineSnapshot(`
      " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500
       Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.500
       Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 0.500
       Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = -1.000
       Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.500
       Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000
       Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.500
       Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ] = 0.500
       Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500
       Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = -1.000
       Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.500
       Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000"
    `);
  });
});

test("ids of images as text, and two categories of one name, as pycocotools has them", () => {
  // pycocotools 2.0.11 on the same records.
  const { annotations, results, stats } = fixture<{
    annotations: CocoFile;
    results: CocoResult[];
    stats: number[];
  }>("string_ids.json");
  const evaluation = evaluateCoco({ annotations, results });
  expect(greatestDifference(evaluation.stats, stats)).toBe(0);
  expect(evaluation.categories.map(({ id, name }) => [id, name])).toEqual([
    [1, "cat"],
    [2, "cat"],
  ]);
  const asText = annotations.annotations.map((annotation) => ({
    ...annotation,
    iscrowd: null as unknown as number,
  }));
  expect(evaluateCoco({ annotations: { ...annotations, annotations: asText }, results }).stats).toEqual(
    evaluation.stats,
  );
  expect(() => evaluateCoco({ annotations, results: [{ ...results[0]!, image_id: 3 }] })).toThrow(
    /"image_id" 3 is none/,
  );
  expect(() => evaluateCoco({ annotations, results: [{ ...results[0]!, image_id: 2 ** 53 }] })).toThrow(
    /below 2\^53/,
  );
});
