import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reasonSeg, recQuestion, recTemplate } from "../../src/index.ts";
import { all, copyOf, published, refusal } from "../published.ts";

const folder = join(published, "reasonseg/val");

test("gives one sample an instruction, with the box around all target polygons", async () => {
  const dataset = await reasonSeg({ folder });
  const [first, second, phrase] = await all(dataset);
  expect(first).toMatchObject({
    id: "1_abc/0",
    prompt: recTemplate(recQuestion("the place where water comes out")),
    group: "sentence",
    target: { box: [10.5, 5, 64, 30], expression: "the place where water comes out" }, // 70 is cut off at the image's edge
  });
  expect(first!.target.polygons.length).toBe(2);
  expect(first!.target.ignored).toEqual([
    [
      [0, 0],
      [4, 0],
      [4, 4],
    ],
  ]);
  expect(second).toMatchObject({ id: "1_abc/1", target: { expression: "something to wash with" } });
  expect(phrase).toMatchObject({ id: "2_def/0", group: "phrase", target: { box: [1, 1, 9, 9] } });
});

test("reads files in Windows-1252, as some published ones are", async () => {
  const dataset = await reasonSeg({ folder });
  expect((await dataset.get(2)).target.expression).toBe("the dog’s café");
});

test("leaves out files without a target, and counts them", async () => {
  const dataset = await reasonSeg({ folder });
  expect(dataset.length).toBe(3);
  expect(dataset.skipped.count).toBe(1);
  expect(dataset.skipped.errors[0]!.message).toMatch(/3_none\.json, shapes: there is no target polygon/);
});

const shape = {
  label: "target",
  points: [
    [1, 1],
    [9, 1],
    [9, 9],
  ],
};

test.each<[string, unknown, RegExp]>([
  ["a file that is no object", [], /an object .* found \[\]/],
  ["no text", { shapes: [shape] }, /field "text": an instruction/],
  ["text that is a number", { text: [1], shapes: [shape] }, /field "text"/],
  ["no shapes", { text: "x" }, /field "shapes": a list of shapes/],
  ["a shape without a label", { text: "x", shapes: [{ points: [] }] }, /shapes\[0\], field "label"/],
  [
    "a shape without points",
    { text: "x", shapes: [{ label: "target", points: [] }] },
    /shapes\[0\], field "points"/,
  ],
  [
    "a point of three numbers",
    { text: "x", shapes: [{ label: "target", points: [[1, 2, 3]] }] },
    /shapes\[0\], field "points"/,
  ],
  ["a flag that is text", { text: "x", is_sentence: "yes", shapes: [shape] }, /is_sentence/],
])("refuses %s", async (_, value, message) => {
  const copy = join(await copyOf("reasonseg"), "reasonseg/val");
  await writeFile(join(copy, "2_def.json"), JSON.stringify(value));
  expect(await refusal(() => reasonSeg({ folder: copy }))).toMatch(message);
  const lenient = await reasonSeg({ folder: copy, onBadSample: "skip" });
  expect([lenient.length, lenient.skipped.count]).toEqual([2, 2]);
});

test("a target outside the image is an error", async () => {
  const copy = join(await copyOf("reasonseg"), "reasonseg/val");
  await writeFile(
    join(copy, "2_def.json"),
    JSON.stringify({
      text: "x",
      shapes: [
        {
          label: "target",
          points: [
            [90, 1],
            [99, 9],
          ],
        },
      ],
    }),
  );
  const dataset = await reasonSeg({ folder: copy });
  expect(await refusal(() => dataset.get(2))).toMatch(
    /from \(90, 1\) to \(99, 9\), outside the image of 64x48/,
  );
});

test("an image that is missing is skipped at once", async () => {
  const copy = join(await copyOf("reasonseg"), "reasonseg/val");
  await rm(join(copy, "1_abc.jpg"));
  const dataset = await reasonSeg({ folder: copy, onBadSample: "skip" });
  expect([dataset.length, dataset.skipped.count]).toEqual([1, 3]);
});
