import { resized, thousand, unit, type Box } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import {
  centerDistanceReward,
  ciouReward,
  diouReward,
  giouBelow,
  giouReward,
  iouAtLeast,
  iouReward,
  pointInBox,
} from "../../src/index.ts";

const sample = {
  id: "3",
  prompt: "",
  images: [{ width: 200, height: 100 }],
  target: { box: [0, 0, 100, 100] as Box },
};
const half = "<answer>[50, 0, 150, 100]</answer>"; // intersection 5000, union 15000
const far = "<answer>[150, 0, 200, 100]</answer>"; // 50 away; enclosing box 20000, union 15000

describe("the IoU family, by hand", () => {
  test("IoU 1/3 and its threshold", () => {
    expect(iouReward()({ completion: half, sample })).toBeCloseTo(1 / 3, 12);
    expect(iouAtLeast(0.3)({ completion: half, sample })).toBe(1);
    expect(iouAtLeast(0.4)({ completion: half, sample })).toBe(0);
  });

  test("equality counts only when not strict", () => {
    const completion = "[0, 0, 50, 100]";
    expect(iouAtLeast(0.5)({ completion, sample })).toBe(0);
    expect(iouAtLeast(0.5, { strict: false })({ completion, sample })).toBe(1);
    expect(iouAtLeast(0, { strict: false })({ completion: "no box", sample })).toBe(0);
  });

  test("GIoU 0 - (20000 - 15000) / 20000 for disjoint boxes, DIoU - d^2/c^2", () => {
    expect(giouReward()({ completion: far, sample })).toBeCloseTo(-0.25, 12);
    expect(diouReward()({ completion: far, sample })).toBeCloseTo(-(125 ** 2) / (200 ** 2 + 100 ** 2), 6);
    expect(ciouReward()({ completion: far, sample })).toBeLessThan(-(125 ** 2) / (200 ** 2 + 100 ** 2));
  });

  test("NeMo's rule is GIoU below the threshold and IoU from it on", () => {
    expect(giouBelow(0.5)({ completion: far, sample })).toBeCloseTo(-0.25, 12);
    expect(giouBelow(0.3)({ completion: half, sample })).toBeCloseTo(1 / 3, 12);
    expect(giouBelow(0.5, { malformed: 0 })({ completion: "no box", sample })).toBe(0);
  });

  test("no box earns the lowest value, so that silence never beats an honest miss", () => {
    for (const [reward, low] of [
      [iouReward(), 0],
      [giouReward(), -1],
      [diouReward(), -1],
      [ciouReward(), -1.5],
    ] as const) {
      expect(reward({ completion: "I cannot see it", sample })).toBe(low);
      expect(reward({ completion: "[90, 90, 10, 10]", sample })).toBe(low);
    }
  });

  test("a threshold may follow the step", () => {
    const reward = iouAtLeast((step) => step / 100);
    expect(reward({ completion: half, sample, step: 10 })).toBe(1);
    expect(reward({ completion: half, sample, step: 50 })).toBe(0);
  });
});

describe("coordinate frames", () => {
  const target = { box: [20, 10, 120, 60] as Box };
  const framed = { ...sample, target };
  test.each([
    ["unit", iouReward({ frame: unit }), "[0.1, 0.1, 0.6, 0.6]"],
    ["thousandths", iouReward({ frame: thousand }), "[100, 100, 600, 600]"],
    [
      "the resized image",
      iouReward({ frame: (image) => resized({ width: 400, height: 400 }, image) }),
      "[40, 40, 240, 240]",
    ],
    ["pixels", iouReward(), "[20, 10, 120, 60]"],
  ])("%s", (_, reward, completion) => {
    expect(reward({ completion, sample: framed })).toBeCloseTo(1, 12);
  });

  test("a frame of an image that is not there is an error that says what to do", () => {
    expect(() =>
      iouReward({ frame: thousand })({ completion: "[1, 2, 3, 4]", sample: { ...framed, images: [] } }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: Sample "3" has no image 0: give its size, or set the reward's \`image\` option.]`,
    );
  });
});

test("first or last box, first or last answer", () => {
  const completion = "<answer>[0, 0, 100, 100]</answer> or <answer>[1, 1, 2, 2] [50, 0, 150, 100]</answer>";
  expect(iouReward({ answer: "first" })({ completion, sample })).toBe(1);
  expect(iouReward({ box: "last" })({ completion, sample })).toBeCloseTo(1 / 3, 12);
});

test("points: inside up to the exclusive edge, and nearer is better", () => {
  const at = (text: string) => ({ completion: `<answer>${text}</answer>`, sample });
  expect(pointInBox()(at("(99.9, 0)"))).toBe(1);
  expect(pointInBox()(at("(100, 0)"))).toBe(0);
  expect(pointInBox()(at("[0, 0, 100, 100]"))).toBe(1);
  expect(pointInBox()(at("here"))).toBe(0);
  expect(centerDistanceReward()(at("(50, 50)"))).toBe(1);
  expect(centerDistanceReward()(at("(150, 50)"))).toBeCloseTo(1 - 100 ** 2 / (200 ** 2 + 100 ** 2), 12);
  const pointed = { ...sample, target: { point: [0, 0] as const } };
  expect(centerDistanceReward()({ completion: "(200, 100)", sample: pointed })).toBe(0);
});

test("a malformed target throws and never becomes a score", () => {
  const broken = { ...sample, target: { box: [10, 10, 5, 5] as Box } };
  expect(() => iouReward()({ completion: half, sample: broken })).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: Sample "3": target.box must be [x1, y1, x2, y2] in pixels with x1 < x2 and y1 < y2, got [10,10,5,5].]`,
  );
});
