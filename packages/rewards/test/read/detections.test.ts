import { describe, expect, test } from "vitest";
import { readDetections, readJson } from "../../src/index.ts";

const cat = { box: [1, 2, 3, 4], label: "cat" };
const dog = { box: [5, 6, 7, 8], label: "dog" };
const cases: readonly (readonly [name: string, text: string, found: readonly object[]])[] = [
  [
    "fenced JSON",
    '```json\n[{"bbox_2d": [1,2,3,4], "label": "cat"}, {"bbox_2d": [5,6,7,8], "label": "dog"}]\n```',
    [cat, dog],
  ],
  ["the last fence", '```json\n[]\n```\n```json\n[{"bbox_2d": [1,2,3,4], "label": "cat"}]\n```', [cat]],
  ["bare JSON in a sentence", 'I see [1 cat]: {"bbox": [1,2,3,4], "label": "cat"}.', [cat]],
  ["single quotes and Python words", "[{'bbox': (1, 2, 3, 4), 'label': 'cat', 'crowd': None}]", [cat]],
  [
    "an apostrophe",
    "[{'bbox': [1,2,3,4], 'label': 'man's hat'}]",
    [{ box: [1, 2, 3, 4], label: "man's hat" }],
  ],
  ["no quotes at all", "[{bbox: [1,2,3,4], label: cat}]", [cat]],
  ["a surplus comma", '[{"bbox_2d": [1,2,3,4], "label": "cat"},]', [cat]],
  [
    "a missing comma",
    '[{"bbox_2d": [1,2,3,4] "label": "cat"} {"bbox_2d": [5,6,7,8], "label": "dog"}]',
    [cat, dog],
  ],
  [
    "missing braces between objects",
    '[{"bbox_2d": [1,2,3,4], "label": "cat", {"bbox_2d": [5,6,7,8], "label": "dog"}]',
    [cat, dog],
  ],
  ["a missing bracket", '[{"bbox_2d": [1,2,3,4, "label": "cat"}]', [cat]],
  ["text that was cut off", '```json\n[{"bbox_2d": [1,2,3,4], "label": "cat"}, {"bbox_2d": [5,6,', [cat]],
  [
    "other keys",
    '[{"Position": [1,2,3,4], "Confidence": 0.5, "category": "cat"}]',
    [{ ...cat, confidence: 0.5 }],
  ],
  ["corners by name", '{"box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}, "label": "cat"}', [cat]],
  ["two corners", '{"box": [[1,2],[3,4]], "label": "cat"}', [cat]],
  ["numbers as text", '{"box": ["1", "2", "3", "4"], "label": "cat"}', [cat]],
  ["a box as text", '{"box": "(1,2),(3,4)", "label": "cat"}', [cat]],
  ["nested objects", '{"objects": [{"box": [1,2,3,4], "label": "cat"}]}', [cat]],
  ["Qwen's tokens", "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>", [cat]],
  [
    "InternVL's tokens",
    "<ref>cat</ref><box>[[1, 2, 3, 4], [5, 6, 7, 8]]</box>",
    [cat, { ...dog, label: "cat" }],
  ],
  ["boxes without labels", "one at [1,2,3,4]", [{ ...cat, label: "" }]],
  ["nothing", "None", []],
  ["junk", "[{]}(,:", []],
];

describe("labelled boxes", () => {
  test.each(cases)("%s", (_, text, found) => {
    expect(readDetections(text)).toEqual(found);
  });

  test("keys of the prototype are keys like any other", () => {
    const [value] = readJson("{'__proto__': {'polluted': 1}, 'a': 1}") as Record<string, unknown>[];
    expect(Object.keys(value as object)).toEqual(["__proto__", "a"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("depth is no danger", () => {
    expect(readDetections(`{"box": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`)).toEqual([]);
  });
});
