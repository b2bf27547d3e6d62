import { expect, test } from "vitest";
import { visionLabels } from "../../src/nano/pretrain-vision.ts";

test("each 16-pixel cell is labelled with the object that covers most of it, from 24 square pixels on", () => {
  const scene = {
    width: 64,
    height: 64,
    objects: [
      { name: "key", color: "red", box: [0, 0, 20, 16] as const }, // cell 0 whole, 4 x 16 of cell 1
      { name: "bell", color: "blue", box: [18, 10, 34, 30] as const }, // more of cell 1; too little of cell 2
    ],
  };
  const labels = visionLabels([scene], ["red", "blue"], ["bell", "key"]);
  expect([...labels.present]).toEqual([1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  expect([labels.name[0], labels.color[0]]).toEqual([1, 0]);
  expect([labels.name[1], labels.color[1]]).toEqual([0, 1]);
  expect([...labels.corners.subarray(4, 8)]).toEqual([18, 10, 34, 30]);
});
