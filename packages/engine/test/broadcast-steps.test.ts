import { expect, test } from "vitest";
import { broadcastSteps } from "../src/tensorflow/broadcast-steps.ts";

test("a broadcast that a kernel takes is one step", () => {
  expect(broadcastSteps([3], [2, 3])).toEqual([[2, 3]]);
  expect(broadcastSteps([1, 1, 1], [4, 5, 6])).toEqual([[4, 5, 6]]);
  expect(broadcastSteps([], [0, 2])).toEqual([[0, 2]]);
});

test("kept and repeated axes in turn more than five times are repeated one by one", () => {
  expect(broadcastSteps([1, 1, 1, 2, 1, 3, 1, 4], [1, 1, 2, 2, 2, 3, 2, 4])).toEqual([
    [1, 1, 2, 2, 1, 3, 1, 4],
    [1, 1, 2, 2, 2, 3, 1, 4],
    [1, 1, 2, 2, 2, 3, 2, 4],
  ]);
});
