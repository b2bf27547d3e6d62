import { expect, expectTypeOf, test } from "vitest";
import {
  boxArea,
  boxCenter,
  boxFromXywh,
  boxToXywh,
  clipBox,
  convertBox,
  convertPoint,
  createRng,
  isBox,
  pixels,
  resized,
  thousand,
  unit,
  type Box,
  type Frame,
} from "../src/index.ts";

const photo = { width: 640, height: 480 };

test("converts between all frames by naming both", () => {
  const box: Box = [64, 48, 320, 240];
  expect(convertBox(box, pixels(photo), unit())).toEqual([0.1, 0.1, 0.5, 0.5]);
  expect(convertBox(box, pixels(photo), thousand())).toEqual([100, 100, 500, 500]);
  const small = resized({ width: 320, height: 120 }, photo);
  expect(convertBox(box, pixels(photo), small)).toEqual([32, 12, 160, 60]);
  expect(convertPoint([0.5, 0.25], unit(), pixels(photo))).toEqual([320, 120]);
});

test("there and back is the same box in every pair of frames", () => {
  const frames: Frame[] = [pixels(photo), unit(), thousand(), resized({ width: 644, height: 476 }, photo)];
  const rng = createRng(5);
  for (const from of frames)
    for (const to of frames) {
      const box = Array.from({ length: 4 }, () => rng.uniform() * 100) as unknown as Box<never>;
      const back = convertBox(
        convertBox(box, from as Frame<never>, to as Frame<never>),
        to as Frame<never>,
        from as Frame<never>,
      );
      back.forEach((value, i) => expect(value).toBeCloseTo(box[i]!, 9));
    }
});

test("a box of one frame is not a box of another", () => {
  const relative = convertBox([0, 0, 10, 10], pixels(photo), unit());
  expectTypeOf(relative).toEqualTypeOf<Box<"unit">>();
  // @ts-expect-error a unit box is not a pixel box
  const wrong: Box = relative;
  expect(wrong).toBe(relative);
});

test("refuses to convert between frames of different images", () => {
  const other = resized({ width: 100, height: 100 }, { width: 200, height: 200 });
  expect(() => convertBox([0, 0, 1, 1], pixels(photo), other)).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: Cannot convert a box between frames of different images: 640x480 and 200x200. Name the frames of one image.]`,
  );
  expect(() => pixels({ width: 0, height: 5 })).toThrowErrorMatchingInlineSnapshot(
    `[VlmR1Error: A frame's width must be a positive number, got 0.]`,
  );
});

test("area, centre, COCO form, clipping and validity follow the exclusive lower right edge", () => {
  expect(boxArea([1, 2, 4, 6])).toBe(12);
  expect(boxArea([4, 2, 1, 6])).toBe(0);
  expect(boxCenter([1, 2, 4, 6])).toEqual([2.5, 4]);
  expect(boxFromXywh([1, 2, 3, 4])).toEqual([1, 2, 4, 6]);
  expect(boxToXywh([1, 2, 4, 6])).toEqual([1, 2, 3, 4]);
  expect(clipBox([-5, 10, 700, 500], pixels(photo))).toEqual([0, 10, 640, 480]);
  expect(isBox([0, 0, 1, 1])).toBe(true);
  for (const bad of [
    [0, 0, 0, 1],
    [2, 0, 1, 1],
    [0, 0, 1],
    [0, 0, Number.NaN, 1],
    [0, 0, Infinity, 1],
    "box",
    null,
  ])
    expect(isBox(bad)).toBe(false);
});
