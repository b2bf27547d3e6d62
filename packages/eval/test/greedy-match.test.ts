import { type Box, createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import { greedyMatches, greedyPrecisionRecall, type LabelledBox } from "../src/boxes.ts";

const cat = (box: Box): LabelledBox => ({ box, label: "cat" });
const dog = (box: Box): LabelledBox => ({ box, label: "dog" });

test("precision and recall are pooled over images", () => {
  const scores = greedyPrecisionRecall([
    { predictions: [cat([0, 0, 10, 10]), cat([50, 50, 60, 60])], truths: [cat([0, 0, 10, 9])] },
    { predictions: [], truths: [dog([0, 0, 5, 5]), cat([9, 9, 20, 20])] },
  ]);
  expect(scores).toEqual({ precision: 1 / 2, recall: 1 / 3, f1: 0.4, matched: 1, predictions: 2, truths: 3 });
});

test("labels must agree, and repeating a box gains nothing", () => {
  const truths = [dog([0, 0, 10, 10])];
  expect(greedyPrecisionRecall([{ predictions: [cat([0, 0, 10, 10])], truths }]).matched).toBe(0);
  const repeated = Array.from({ length: 4 }, () => dog([0, 0, 10, 10]));
  expect(greedyPrecisionRecall([{ predictions: repeated, truths }])).toMatchObject({
    precision: 0.25,
    recall: 1,
  });
});

test("the greatest overlap is matched first, whatever the order", () => {
  const truths = [cat([0, 0, 10, 10]), cat([0, 0, 10, 12])];
  expect(greedyMatches({ predictions: [cat([0, 0, 10, 12]), cat([0, 0, 10, 10])], truths })).toEqual([
    { prediction: 0, truth: 1, iou: 1 },
    { prediction: 1, truth: 0, iou: 1 },
  ]);
});

test("an IoU of exactly the threshold is a match, also of 0.5", () => {
  expect(greedyMatches({ predictions: [cat([0, 0, 10, 5])], truths: [cat([0, 0, 10, 10])] })).toHaveLength(1);
});

test("nothing found where nothing is scores 1, something found where nothing is 0", () => {
  expect(greedyPrecisionRecall([{ predictions: [], truths: [] }])).toMatchObject({ precision: 1, recall: 1 });
  expect(greedyPrecisionRecall([{ predictions: [cat([0, 0, 1, 1])], truths: [] }])).toMatchObject({
    precision: 0,
    recall: 0,
    f1: 0,
  });
});

test("no truth and no prediction is ever matched twice", () => {
  const rng = createRng(9);
  const boxes = (): LabelledBox[] =>
    Array.from({ length: rng.integer(8) }, () => {
      const [x, y] = [rng.integer(6), rng.integer(6)];
      return {
        box: [x, y, x + 1 + rng.integer(5), y + 1 + rng.integer(5)] as const,
        label: rng.integer(2) ? "a" : "b",
      };
    });
  for (let i = 0; i < 500; i++) {
    const matches = greedyMatches({ predictions: boxes(), truths: boxes() }, 0.3);
    expect(new Set(matches.map(({ prediction }) => prediction)).size).toBe(matches.length);
    expect(new Set(matches.map(({ truth }) => truth)).size).toBe(matches.length);
  }
});
