import { createRng, VlmR1Error } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import type { CocoFile } from "../src/coco/tables.ts";
import {
  decodeRle,
  encodeMask,
  mergeRles,
  type Rle,
  rleArea,
  rleFromPolygon,
  rleFromSegmentation,
  rleFromXywh,
  rleIou,
  rleToXywh,
} from "../src/mask/rle.ts";
import { fixture } from "./fixture.ts";

type Size = [height: number, width: number];

interface RleCases {
  encode: {
    size: Size;
    mask_rows: number[][];
    counts: string;
    uncompressed: number[];
    area: number;
    bbox: number[];
  }[];
  poly: { poly: number[]; size: Size; counts: string; area: number; bbox: number[] }[];
  bbox: { bbox: number[]; size: Size; counts: string; area: number }[];
  iou: { dt: string[]; gt: string[]; size: Size; iscrowd: number[]; iou: number[][] }[];
  uncompressed: {
    ann_id: number;
    size: Size;
    counts_len: number;
    compressed: string;
    area: number;
    bbox_from_rle: number[];
  }[];
  merge: { size: Size; rles: string[]; union: string; intersect: string }[];
}

const cases = fixture<RleCases>("rle_cases.json");
const rleOf = (counts: string, size: Size): Rle => ({ size, counts });

describe("pycocotools' mask API, byte for byte", () => {
  test("encodes, decodes, measures and boxes masks", () => {
    for (const { size, mask_rows: rows, counts, uncompressed, area, bbox } of cases.encode) {
      const rle = encodeMask(rows.flat(), ...size);
      expect(rle).toEqual({ size, counts });
      expect([...decodeRle(rle)]).toEqual(rows.flat());
      expect(rleArea(rle)).toBe(area);
      expect(rleToXywh(rle)).toEqual(bbox);
      expect(rleFromSegmentation({ size, counts: uncompressed }, 0, 0)).toEqual(rle);
    }
  });
  test("fills polygons", () => {
    for (const { poly, size, counts, area, bbox } of cases.poly) {
      const rle = rleFromPolygon(poly, ...size);
      expect(rle.counts).toBe(counts);
      expect(rleArea(rle)).toBe(area);
      expect(rleToXywh(rle)).toEqual(bbox);
    }
  });
  test("fills boxes", () => {
    for (const { bbox, size, counts, area } of cases.bbox) {
      const rle = rleFromXywh(bbox, ...size);
      expect(rle.counts).toBe(counts);
      expect(rleArea(rle)).toBe(area);
    }
  });
  test("overlaps masks, with and without crowds", () => {
    for (const { dt, gt, size, iscrowd, iou } of cases.iou) {
      const [detections, truths] = [dt, gt].map((list) => list.map((counts) => rleOf(counts, size)));
      expect(rleIou(detections as Rle[], truths as Rle[], iscrowd)).toEqual(iou);
    }
  });
  test("merges masks", () => {
    for (const { size, rles, union, intersect } of cases.merge) {
      const masks = rles.map((counts) => rleOf(counts, size));
      expect(mergeRles(masks).counts).toBe(union);
      expect(mergeRles(masks, { intersect: true }).counts).toBe(intersect);
    }
  });
  test("compresses the crowds of real annotations and reads them back", () => {
    const { annotations } = fixture<CocoFile>("coco-val2014-100/instances_val2014_100.json.gz");
    for (const { ann_id: id, size, compressed, area, bbox_from_rle: box } of cases.uncompressed) {
      const crowd = annotations.find((annotation) => annotation.id === id);
      expect(rleFromSegmentation(crowd?.segmentation as Rle, ...size)).toEqual({ size, counts: compressed });
      expect(rleArea(rleOf(compressed, size))).toBe(area);
      expect(rleToXywh(rleOf(compressed, size))).toEqual(box);
    }
  });
});

/** Made by pycocotools 2.0.11 from random polygons, boxes and masks, many of them outside their image or degenerate. */
interface ExtraCases {
  poly: [polygon: number[], height: number, width: number, counts: string, area: number, xywh: number[]][];
  box: [xywh: number[], height: number, width: number, counts: string][];
  iou: [dt: string[], gt: string[], crowd: number[], height: number, width: number, iou: number[][]][];
  merge: [rles: string[], height: number, width: number, union: string, intersection: string][];
  enc: [mask: number[], height: number, width: number, counts: string][];
}

describe("pycocotools' mask API on random input", () => {
  const extra = fixture<ExtraCases>("rle_extra_cases.json.gz");
  test("polygons, boxes and masks give the same strings, areas and boxes", () => {
    for (const [polygon, height, width, counts, area, box] of extra.poly) {
      const rle = rleFromPolygon(polygon, height, width);
      expect([rle.counts, rleArea(rle), rleToXywh(rle)]).toEqual([counts, area, box]);
    }
    for (const [xywh, height, width, counts] of extra.box) {
      expect(rleFromXywh(xywh, height, width).counts).toBe(counts);
    }
    for (const [mask, height, width, counts] of extra.enc) {
      expect(encodeMask(mask, height, width).counts).toBe(counts);
    }
  });
  test("overlaps and merges are the same", () => {
    for (const [dt, gt, crowd, height, width, iou] of extra.iou) {
      const [rows, columns] = [dt, gt].map((list) => list.map((counts) => rleOf(counts, [height, width])));
      expect(rleIou(rows as Rle[], columns as Rle[], crowd)).toEqual(iou);
    }
    for (const [rles, height, width, union, intersection] of extra.merge) {
      const masks = rles.map((counts) => rleOf(counts, [height, width]));
      expect(mergeRles(masks).counts).toBe(union);
      expect(mergeRles(masks, { intersect: true }).counts).toBe(intersection);
    }
  });
});

describe("properties", () => {
  test("a decoded mask is the one that was encoded, whatever it holds", () => {
    const rng = createRng(5);
    for (let i = 0; i < 300; i++) {
      const [height, width] = [1 + rng.integer(40), 1 + rng.integer(40)];
      const share = rng.uniform();
      const mask = Uint8Array.from({ length: height * width }, () => (rng.uniform() < share ? 1 : 0));
      const rle = encodeMask(mask, height, width);
      expect(decodeRle(rle)).toEqual(mask);
      expect(rleArea(rle)).toBe(mask.reduce((sum, value) => sum + value, 0));
    }
  });
  test("union and intersection are those of the pixels, and IoU is their ratio", () => {
    const rng = createRng(6);
    for (let i = 0; i < 200; i++) {
      const [height, width] = [1 + rng.integer(12), 1 + rng.integer(12)];
      const masks = [0, 1].map(() => Uint8Array.from({ length: height * width }, () => rng.integer(2)));
      const [a, b] = masks.map((mask) => encodeMask(mask, height, width)) as [Rle, Rle];
      const pairs = Array.from(
        masks[0] as Uint8Array,
        (value, p) => [value, (masks[1] as Uint8Array)[p] as number] as const,
      );
      const union = pairs.map(([x, y]) => x | y);
      const both = pairs.map(([x, y]) => x & y);
      expect([...decodeRle(mergeRles([a, b]))]).toEqual(union);
      expect([...decodeRle(mergeRles([a, b], { intersect: true }))]).toEqual(both);
      const area = (mask: number[]): number => mask.reduce((sum, value) => sum + value, 0);
      expect(rleIou([a], [b])).toEqual([[area(both) === 0 ? 0 : area(both) / area(union)]]);
    }
  });
  test("a polygon outside its image is an empty mask", () => {
    expect(rleArea(rleFromPolygon([-20, -20, -5, -20, -5, -5], 10, 10))).toBe(0);
    expect(rleToXywh(rleFromPolygon([100, 3, 120, 3, 120, 9], 10, 10))).toEqual([0, 0, 0, 0]);
  });
  test("masks of different sizes that could overlap have IoU -1, as in pycocotools", () => {
    expect(rleIou([rleFromXywh([0, 0, 5, 5], 10, 10)], [rleFromXywh([0, 0, 5, 5], 12, 10)])).toEqual([[-1]]);
    expect(rleIou([rleFromXywh([0, 0, 3, 3], 10, 10)], [rleFromXywh([6, 6, 3, 3], 12, 10)])).toEqual([[0]]);
  });
});

describe("malformed masks are refused with the value and the way out", () => {
  const refused = (action: () => unknown): string => {
    try {
      action();
    } catch (error) {
      if (VlmR1Error.is(error)) return `${error.code}: ${error.message}`;
    }
    return "accepted";
  };
  test.each([
    ["a character outside the alphabet", () => decodeRle({ size: [2, 2], counts: "0 4" })],
    ["counts that stop inside a number", () => decodeRle({ size: [2, 2], counts: "4P" })],
    ["a negative run", () => decodeRle({ size: [2, 2], counts: "O" })],
    ["counts for another size", () => decodeRle({ size: [3, 3], counts: [2, 2] })],
    ["counts that are no numbers", () => decodeRle({ size: [3, 3], counts: [9, -1, 1] })],
    ["a size that is none", () => decodeRle({ size: [3, 3.5], counts: [9] })],
    ["an odd number of coordinates", () => rleFromPolygon([1, 2, 3, 4, 5, 6, 7], 9, 9)],
    ["a coordinate that is not finite", () => rleFromPolygon([1, 2, 3, 4, 5, NaN], 9, 9)],
    ["a polygon the size of a planet", () => rleFromPolygon([0, 0, 1e9, 0, 1e9, 1e9], 9, 9)],
    ["no polygon", () => rleFromSegmentation([], 9, 9)],
    ["nothing to merge", () => mergeRles([])],
    ["masks of two sizes", () => mergeRles([encodeMask([1], 1, 1), encodeMask([1, 0], 1, 2)])],
    ["a mask of the wrong length", () => encodeMask([1, 0, 1], 2, 2)],
    ["a box of three numbers", () => rleFromXywh([1, 2, 3], 9, 9)],
  ])("%s", (_, action) => {
    expect(refused(action)).toMatchSnapshot();
  });
});

test("a polygon of one or two points encloses nothing, and may stand among others", () => {
  // pycocotools 2.0.11: mask.merge(mask.frPyObjects([[1,1,6,1,6,6],[2,3,9,8]], 10, 12))
  const triangle = [1, 1, 6, 1, 6, 6];
  const merged = rleFromSegmentation([triangle, [2, 3, 9, 8], [2, 3]], 10, 12);
  expect(merged.counts).toBe("e0191O1O1j1");
  expect(rleArea(rleFromSegmentation([[2, 3, 5, 4]], 10, 12))).toBe(0);
});
