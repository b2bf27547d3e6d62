import { expect, test } from "vitest";
import { evaluateCoco, evaluateNmsAp } from "../src/coco/average-precision.ts";
import type { CocoFile, CocoResult } from "../src/coco/tables.ts";
import { fixture, greatestDifference } from "./fixture.ts";

interface NmsCase {
  readonly name: string;
  readonly gt: CocoFile;
  readonly dt: CocoResult[];
  readonly kept: number[];
  readonly stats_before: number[];
  readonly stats_after: number[];
}

test.each(fixture<NmsCase[]>("nms_ap_cases.json"))(
  "OVDEval's eval.py on $name",
  ({ gt, dt, kept, ...expected }) => {
    const evaluation = evaluateNmsAp({ annotations: gt, results: dt });
    expect(evaluation.kept).toEqual(kept);
    expect(
      greatestDifference(evaluateCoco({ annotations: gt, results: dt }).stats, expected.stats_before),
    ).toBeLessThan(1e-12);
    expect(greatestDifference(evaluation.stats, expected.stats_after)).toBeLessThan(1e-12);
  },
);

test("OVDEval's eval.py on random cases without equal scores", () => {
  const cases = fixture<(Pick<NmsCase, "gt" | "dt" | "kept"> & { stats: number[] })[]>(
    "nms_ap_extra_cases.json.gz",
  );
  expect(cases.length).toBeGreaterThan(20);
  for (const { gt, dt, kept, stats } of cases) {
    const evaluation = evaluateNmsAp({ annotations: gt, results: dt });
    expect(evaluation.kept).toEqual(kept);
    expect(greatestDifference(evaluation.stats, stats)).toBeLessThan(1e-12);
  }
});

test("giving one box every label gains nothing: only the surest label stays", () => {
  const annotations: CocoFile = {
    images: [{ id: 1 }],
    categories: [{ id: 1 }, { id: 2 }, { id: 3 }],
    annotations: [{ id: 1, image_id: 1, category_id: 2, bbox: [0, 0, 50, 50], area: 2500 }],
  };
  const results = [1, 2, 3].map((category, i) => ({
    image_id: 1,
    category_id: category,
    bbox: [0, 0, 50, 50],
    score: 0.5 + i / 10,
  }));
  expect(evaluateCoco({ annotations, results }).summary.ap50).toBeCloseTo(1, 12);
  const evaluation = evaluateNmsAp({ annotations, results });
  expect([evaluation.kept, evaluation.summary.ap50]).toEqual([[2], 0]);
  expect(evaluateNmsAp({ annotations, results, nmsThreshold: 1 }).kept).toEqual([0, 1, 2]);
});
