import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { iouReward, odLengthReward, readBoxes, readDetections, readPointedAt } from "../../src/index.ts";

/** Answers taken from public bug reports, with what they mean. */
const { box: reported } = JSON.parse(
  readFileSync(new URL("../fixtures/field-cases.json", import.meta.url), "utf8"),
) as { box: { kind: string; answer: string; iou: number; odLength: number | null }[] };

const truth = [12, 30, 96, 80];
const sample = (target: unknown) =>
  ({ id: "1", prompt: "", images: [{ width: 100, height: 100 }], target }) as never;
const iou = (completion: string) => iouReward()({ completion, sample: sample({ box: truth }) });
const odLength = (completion: string) =>
  odLengthReward()({ completion, sample: sample({ objects: [{ box: truth, label: "cat" }] }) });

test.each(reported)("$kind: iouReward and odLengthReward agree", (reportedCase) => {
  expect(iou(reportedCase.answer)).toBe(reportedCase.iou);
  if (reportedCase.odLength !== null)
    expect(odLength(reportedCase.answer)).toBeCloseTo(reportedCase.odLength, 12);
});

/** One box with its label, in every form. */
const labelled: readonly string[] = [
  '[{"bbox_2d": "12 30 96 80", "label": "cat"}]',
  '[{"bbox_2d": "(12,30),(96,80)", "label": "cat"}]',
  '[{"bbox_2d": "[12, 30, 96, 80]", "label": "cat"}]',
  '{"bbox_2d": ["12px", "30px", "96px", "80px"], "label": "cat"}',
  '{"bbox_2d": [12px, 30px, 96px, 80px], "label": "cat"}',
  '{"bbox_2d": [[12, 30, 96, 80]], "label": "cat"}',
  '{"bbox_2d": [[12, 30], [96, 80]], "label": "cat"}',
  '{"bbox_2d": [{"x": 12, "y": 30}, {"x": 96, "y": 80}], "label": "cat"}',
  '{"BBox_2D": [12, 30, 96, 80], "Label": "cat"}',
  '{"bounding box": [12, 30, 96, 80], "class_name": "cat"}',
  '{"boundingBox": [12, 30, 96, 80], "category": "cat"}',
  '{"coordinates": [12, 30, 96, 80], "object": "cat"}',
  '{"bboxes": [[12, 30, 96, 80]], "labels": ["cat"], "scores": [0.9]}',
  '{"<OD>": {"bboxes": [[12.0, 30.0, 96.0, 80.0]], "labels": ["cat"]}}',
  '{"boxes": [[12, 30, 96, 80]], "label": "cat"}',
  '{"cat": [[12, 30, 96, 80]]}',
  '{"cat": [[12, 30], [96, 80]]}',
  '{"cat": {"bbox": [12, 30, 96, 80]}}',
  '{"cat": {"x1": 12, "y1": 30, "x2": 96, "y2": 80}}',
  '{"objects": [{"cat": [12, 30, 96, 80]}]}',
  '{"xmin": 12, "ymin": 30, "xmax": 96, "ymax": 80, "name": "cat"}',
  '{"xMin": 12, "yMin": 30, "xMax": 96, "yMax": 80, "name": "cat"}',
  '{"x0": 12, "y0": 30, "x1": 96, "y1": 80, "label": "cat"}',
  '{"left": 12, "top": 30, "right": 96, "bottom": 80, "label": "cat"}',
  '{"bbox": {"left": "12", "top": "30", "right": "96", "bottom": "80"}, "label": "cat"}',
  '{"bbox": {"top_left": [12, 30], "bottom_right": [96, 80]}, "label": "cat"}',
  '{"topLeft": {"x": 12, "y": 30}, "bottomRight": {"x": 96, "y": 80}, "label": "cat"}',
  "{‘bbox_2d’: [12, 30, 96, 80], ‘label’: ‘cat’}",
  "｛“bbox_2d”：［12，30，96，80］，“label”：“cat”｝",
  '{"bbox_2d": [１２, ３０, ９６, ８０], "label": "cat"}',
  '{"bbox_2d": [12, 30, 96, 80], "label": "\\u0063at"}',
  '{"bbox_2d": [12, 30, 96, 80], "label": "c\\u0061t"',
  "{'bbox_2d': [12, 30, 96, 80], 'label': 'c\\u0061t'}",
  '[{"bbox_2d": [[12, 30, 96, 80], "label": "cat"}]',
  '```json\n[{"bbox_2d": [12, 30, 96, 80, "label": "cat"}\n```',
  '{"label": ["cat"], "box": [12, 30, 96, 80]}',
  "- label: cat\n  bbox_2d: [12, 30, 96, 80]",
  "bbox_2d: [12, 30, 96, 80]\nlabel: cat",
  '- bbox: "12, 30, 96, 80"\n  label: "cat"',
  "- label: cat\n  bbox_2d:\n    - 12\n    - 30\n    - 96\n    - 80",
  "- label: cat\n  x1: 12\n  y1: 30\n  x2: 96\n  y2: 80",
  "<|ref|>cat<|/ref|><|det|>[[12,30,96,80]]<|/det|>",
  "The <|ref|>cat<|/ref|> <|det|>[[12, 30, 96, 80]]<|/det|> sits.",
  "<ref>cat</ref><box>[[12, 30, 96, 80]]</box>",
  "<ref>cat</ref><box>(12,30),(96,80)</box>",
  "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(12,30),(96,80)<|box_end|>",
];

test.each(labelled)("%s", (answer) => {
  expect(readDetections(answer)).toEqual([expect.objectContaining({ box: truth, label: "cat" })]);
  expect(iou(answer)).toBe(1);
  expect(odLength(answer)).toBeCloseTo(1, 12);
});

/** One box without a label. */
const unlabelled: readonly string[] = [
  "cat: [12, 30, 96, 80]",
  "x1 = 12, y1 = 30, x2 = 96, y2 = 80",
  "x_min: 12; y_min: 30; x_max: 96; y_max: 80",
  "xmin=12 ymin=30 xmax=96 ymax=80",
  "**x1**: 12\n**y1**: 30\n**x2**: 96\n**y2**: 80",
  "left: 12, top: 30, right: 96, bottom: 80",
  "x1 is 12, y1 is 30, x2 is 96, y2 is 80",
  "Top-left corner: (12, 30)\nBottom-right corner: (96, 80)",
  "The top-left corner is at (12, 30) and the bottom-right corner is at (96, 80).",
  "upper left [12, 30], lower right [96, 80]",
  "(12, 30) to (96, 80)",
  "(12,30) - (96,80)",
  "(12,30) -> (96,80)",
  "(12,30)→(96,80)",
  "左上角(12, 30)，右下角(96, 80)",
  "从（12，30）到（96，80）",
  "[*12*, *30*, *96*, *80*]",
  "**[12, 30, 96, 80]**",
  "[`12`, `30`, `96`, `80`]",
  "[12px, 30px, 96px, 80px]",
  "(12 px, 30 px, 96 px, 80 px)",
  "12px, 30px, 96px, 80px",
  '["12", "30", "96", "80"]',
  '"12, 30, 96, 80"',
  "【１２，３０，９６，８０】",
  "［12，30，96，80］",
  "［12、30、96、80］",
  "１２，３０，９６，８０",
  "<x1>12</x1><y1>30</y1><x2>96</x2><y2>80</y2>",
  "<bbox>12 30 96 80</bbox>",
  "<|begin_of_box|>[12, 30, 96, 80]<|end_of_box|>",
  "<|box_start|>(12,30),(96,80)<|box_end|>",
  'label: "cat (1, 2, 3, 4)", box: [12, 30, 96, 80]',
];

test.each(unlabelled)("%s", (answer) => {
  expect(readBoxes(answer)).toEqual([truth]);
  expect(iou(answer)).toBe(1);
});

test("several boxes under one label, several labels, and numbers inside labels", () => {
  const [a, b] = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ];
  const cats = [
    { box: a, label: "cat" },
    { box: b, label: "cat" },
  ];
  expect(readDetections('{"label": "cat", "bbox_2d": [[1,2,3,4],[5,6,7,8]]}')).toEqual(cats);
  expect(readDetections('{"cat": [[1,2,3,4],[5,6,7,8]]}')).toEqual(cats);
  expect(readDetections('{"bboxes": [[1,2,3,4],[5,6,7,8]], "labels": ["cat", "dog"]}')).toEqual([
    { box: a, label: "cat" },
    { box: b, label: "dog" },
  ]);
  expect(readDetections("- bbox: [1,2,3,4]\n  label: cat\n- bbox: [5,6,7,8]\n  label: cat")).toEqual(cats);
  expect(readDetections("<|ref|>cat<|/ref|><|det|>[[1, 2, 3, 4], [5, 6, 7, 8]]<|/det|>")).toEqual(cats);
  expect(readDetections('{"bbox_2d": [5, 6, 7, 8], "label": "cat (1, 2, 3, 4)"}')).toEqual([
    { box: b, label: "cat (1, 2, 3, 4)" },
  ]);
  expect(readDetections("<ref>cat [1, 2, 3, 4]</ref><box>[[5, 6, 7, 8]]</box>")).toEqual([
    { box: b, label: "cat [1, 2, 3, 4]" },
  ]);
  expect(readDetections('{"label": "猫，黑色", "bbox_2d": [1，2，3，4]}')).toEqual([
    { box: a, label: "猫，黑色" },
  ]);
});

/** What is refused; docs/choose-a-reward.md says why. */
test.each([
  ['{"label": "cat (1, 2, 3, 4)"}'],
  ['{"x": 12, "y": 30, "width": 84, "height": 50}'],
  ['{"bbox_2d": [12, 30, 96]}'],
  ['{"bbox_2d": [12, 30, 96, 80, 5]}'],
  ['{"point_2d": [12, 30]}'],
  ["[12%, 30%, 96%, 80%]"],
  ["the cat at (12, 30), the dog at (96, 80)"],
  ["cat<loc_12><loc_30><loc_96><loc_80>"],
  ["x1=12, y1=30, x2=96"],
  ["[12, 30, 96, 80"],
  ["[[12, 30], [96, 30], [96, 80], [12, 80]]"],
])("no box: %s", (answer) => {
  expect(readBoxes(answer)).toEqual([]);
});

test("points in the forms of boxes", () => {
  expect(readPointedAt('<point x="61.5" y="40.4" alt="cat">cat</point>')).toEqual([61.5, 40.4]);
  expect(readPointedAt("x = 12, y = 30")).toEqual([12, 30]);
  expect(readPointedAt("（12，30）")).toEqual([12, 30]);
  expect(readPointedAt("x1=10, y1=20, x2=30, y2=40")).toEqual([20, 30]);
  expect(readPointedAt('{"point_2d": ["12", "30"]}')).toEqual([12, 30]);
});
