import { resized, thousand, unit } from "@vlmr1/core";
import { expect, test } from "vitest";
import {
  answerAsBox,
  answerAsBoxIn,
  answerAsObjects,
  answerAsObjectsIn,
  answerAsText,
} from "../../src/index.ts";
import { refusal } from "../published.ts";

const mention = { file: "a.jsonl", place: "line 1" };
const image = { width: 640, height: 480 };

test("reads a box from a list or out of text", () => {
  const read = (value: unknown, text = "") => answerAsBox(value, text, mention)([image]);
  expect(read([1, 2.5, 30, 40])).toEqual({ box: [1, 2.5, 30, 40] });
  for (const text of [
    "[1, 2.5, 30, 40]",
    '{"bbox_2d": [1,2.5,30,40]}',
    "The box is [ 1, 2.5, 3e1, 40 ].",
    '```json\n[{"bbox_2d": [1, 2.5, 30, 40], "label": "x"}]\n```',
  ]) {
    expect(read(text, text)).toEqual({ box: [1, 2.5, 30, 40] });
  }
});

test("converts boxes of another frame into pixels", () => {
  const box = [100, 250, 500, 1000];
  expect(answerAsBoxIn(thousand)(box, "", mention)([image])).toEqual({ box: [64, 120, 320, 480] });
  expect(answerAsBoxIn(unit)([0.1, 0.25, 0.5, 1], "", mention)([image])).toEqual({
    box: [64, 120, 320, 480],
  });
  const half = answerAsBoxIn((original) => resized({ width: 320, height: 240 }, original));
  expect(half([32, 60, 160, 240], "", mention)([image])).toEqual({ box: [64, 120, 320, 480] });
  const fenced = '```json\n[{"bbox_2d": [100, 250, 500, 1000], "label": "dog"}]\n```';
  expect(answerAsObjectsIn(thousand)(fenced, fenced, mention)([image])).toEqual({
    objects: [{ box: [64, 120, 320, 480], label: "dog" }],
  });
});

test.each([
  ["no box", "a dog"],
  ["three numbers", "[1, 2, 3]"],
  ["an inverted box", "[30, 2, 1, 40]"],
  ["a hole", "[1, , 3, 4]"],
  ["words", "[a, b, c, d]"],
])("refuses %s while loading", async (_, text) => {
  expect(await refusal(() => answerAsBox(text, text, mention))).toMatch(
    /^invalid-data: a\.jsonl, line 1, field "answer": a box/,
  );
});

test("refuses a box outside the image, or without one, when the image is known", async () => {
  expect(await refusal(() => answerAsBox([1, 2, 700, 40], "", mention)([image]))).toMatch(
    /a box inside the image of 640x480/,
  );
  expect(await refusal(() => answerAsBox([1, 2, 3, 4], "", mention)([]))).toMatch(
    /a box belongs to an image/,
  );
  expect(answerAsBox([-0.5, 0, 640.9, 40], "", mention)([image])).toEqual({ box: [-0.5, 0, 640.9, 40] }); // published files round
});

test("reads detections, None, and refuses what is neither", async () => {
  expect(answerAsObjects("None", "None", mention)([image])).toEqual({ objects: [] });
  expect(answerAsObjects([], "[]", mention)([image])).toEqual({ objects: [] });
  for (const text of ["nothing", "[1, 2]", '[{"bbox_2d": [1, 2, 3, 4]}]', '[{"label": "x"}]', "[{"]) {
    expect(await refusal(() => answerAsObjects(text, text, mention))).toMatch(/^invalid-data/);
  }
});

test("keeps text as it is", () => {
  expect(answerAsText("65°", "65°")([])).toEqual({ answer: "65°" });
});
