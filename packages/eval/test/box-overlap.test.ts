import { type Box, createRng } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { boxCiou, boxDiou, boxGiou, boxIou, overlapMatrix } from "../src/boxes.ts";
import { fixture, greatestDifference } from "./fixture.ts";

interface TorchvisionCase {
  readonly a: Box[];
  readonly b: Box[];
  readonly iou: number[][];
  readonly giou: number[][];
  readonly diou: number[][];
  readonly ciou: number[][];
}

const overlaps = { iou: boxIou, giou: boxGiou, diou: boxDiou, ciou: boxCiou } as const;

describe("torchvision's definitions", () => {
  const { cases } = fixture<{ cases: TorchvisionCase[] }>("box_overlap.json");
  test.each(["iou", "giou", "diou", "ciou"] as const)(
    "%s equals torchvision in pixels, small integers and 0..1",
    (name) => {
      for (const { a, b, [name]: expected } of cases) {
        expect(greatestDifference(overlapMatrix(a, b, overlaps[name]).flat(), expected.flat())).toBeLessThan(
          1e-14,
        );
      }
    },
  );
});

describe("closed forms", () => {
  const unitBox: Box = [0, 0, 2, 2];
  test("two boxes that share a quarter of each have IoU 1/7", () => {
    expect(boxIou(unitBox, [1, 1, 3, 3])).toBe(1 / 7);
  });
  test("GIoU of touching squares at a corner is -1/2: the enclosing box is half empty", () => {
    expect(boxGiou(unitBox, [2, 2, 4, 4])).toBe(-0.5);
  });
  test("DIoU of touching squares at a corner is -1/4: centres 2 sqrt 2 apart, diagonal 4 sqrt 2", () => {
    expect(boxDiou(unitBox, [2, 2, 4, 4])).toBeCloseTo(-0.25, 8);
  });
  test("CIoU equals DIoU for equal aspect ratios and is below it for different ones", () => {
    expect(boxCiou(unitBox, [1, 1, 5, 5])).toBe(boxDiou(unitBox, [1, 1, 5, 5]));
    expect(boxCiou(unitBox, [1, 1, 5, 2])).toBeLessThan(boxDiou(unitBox, [1, 1, 5, 2]));
  });
  test("all four are 1 for equal boxes", () => {
    for (const overlap of Object.values(overlaps)) expect(overlap([3, 4, 50, 60], [3, 4, 50, 60])).toBe(1);
  });
});

describe("boxes that are no boxes", () => {
  test("empty and inverted boxes overlap nothing", () => {
    expect(boxIou([1, 1, 1, 1], [1, 1, 1, 1])).toBe(0);
    expect(boxIou([5, 5, 0, 0], [0, 0, 5, 5])).toBe(0);
    expect(boxIou([0, 0, 1e308, 1e308], [0, 0, 1e308, 1e308])).toBe(0);
  });
  test("every overlap stays finite, in range and symmetric for any four finite numbers", () => {
    const rng = createRng(3);
    const coordinate = (): number =>
      rng.uniform() < 0.2 ? 0 : (rng.uniform() - 0.4) * 10 ** (rng.integer(40) - 10);
    const box = (): Box => [coordinate(), coordinate(), coordinate(), coordinate()];
    const low = { iou: 0, giou: -1, diou: -1, ciou: -1.5 };
    const violations: unknown[] = [];
    for (let i = 0; i < 20_000; i++) {
      const [a, b] = [box(), box()];
      for (const name of ["iou", "giou", "diou", "ciou"] as const) {
        const [value, swapped] = [overlaps[name](a, b), overlaps[name](b, a)];
        const inRange = value >= low[name] - 1e-12 && value <= 1;
        if (!inRange || Math.abs(value - swapped) > 1e-12) violations.push([name, a, b, value, swapped]);
      }
    }
    expect(violations).toEqual([]);
  });
});
