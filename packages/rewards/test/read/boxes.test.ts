import { describe, expect, test } from "vitest";
import { readBoxes, readPointedAt, readPoints } from "../../src/index.ts";

const cases: readonly (readonly [text: string, boxes: readonly (readonly number[])[]])[] = [
  ["[1, 2, 3, 4]", [[1, 2, 3, 4]]],
  ["(1,2),(3,4)", [[1, 2, 3, 4]]],
  ["(1, 2) (3, 4)", [[1, 2, 3, 4]]],
  ["[[1,2],[3,4]]", [[1, 2, 3, 4]]],
  [
    "[[1,2,3,4],[5,6,7,8]]",
    [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ],
  ],
  [
    "[(1,2),(3,4)],[(5,6),(7,8)]",
    [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ],
  ],
  ["<box>(1,2),(3,4)</box>", [[1, 2, 3, 4]]],
  ["<box>[[1, 2, 3, 4]]</box>", [[1, 2, 3, 4]]],
  ["<box>10 20 30 40</box>", [[10, 20, 30, 40]]],
  [
    "<|box_start|>(1,2),(3,4)<|box_end|><|box_start|>(5,6),(7,8)<|box_end|>",
    [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ],
  ],
  ['{"bbox_2d": [1.5, -2, 3e2, .4], "label": "x1"}', [[1.5, -2, 300, 0.4]]],
  ["[−1, +2, 3.0E+1, 4.]", [[-1, 2, 30, 4]]],
  ["The box is 1, 2, 3, 4 and that is it", [[1, 2, 3, 4]]],
  ['{"bbox_2d": [1, 2, 3, 4, "label": "cat"}', [[1, 2, 3, 4]]],
  ["[1,2,3]", []],
  ["[1,2,3,4,5]", []],
  ["[x1, 2, 3, 4]", []],
  ["[1, 2, 3, 4", []],
  ["[1e999, 2, 3, 4]", []],
  ['{"x": 1, "y": 2, "w": 3, "h": 4}', []],
  ["[[1,2],[3,4],[5,6]]", []],
  ["[[1,2],[3,4],[5,6],[7,8],[9,10]]", []],
  ["(1,2),(3,4,5),(6,7)", []],
  ["from (1,2) to (3,4)", [[1, 2, 3, 4]]],
  ["", []],
];

describe("boxes in free text", () => {
  test.each(cases)("%s", (text, boxes) => {
    expect(readBoxes(text)).toEqual(boxes);
  });
});

test("points are pairs; a box that comes first points at its middle", () => {
  expect(readPoints("(1, 2) and [3, 4]")).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(readPoints("at 5, 6")).toEqual([[5, 6]]);
  expect(readPointedAt("click(30, 40)")).toEqual([30, 40]);
  expect(readPointedAt("[10, 20, 30, 40]")).toEqual([20, 30]);
  expect(readPointedAt("nowhere")).toBeUndefined();
});
