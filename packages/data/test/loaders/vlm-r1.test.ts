import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import {
  answerAsBox,
  answerAsObjects,
  publishedSample,
  recTemplate,
  thinkTemplate,
  vlmR1Evaluation,
  vlmR1Jsonl,
  vlmR1Yaml,
} from "../../src/index.ts";
import { all, copyOf, published, refusal, temporaryFolder, train2014 } from "../published.ts";

const file = (name: string): string => join(published, "vlm-r1", name);

test("reads referring expressions with their boxes, as a list or in the text", async () => {
  const dataset = await vlmR1Jsonl({
    files: [{ path: file("rec.jsonl"), images: train2014 }],
    answer: answerAsBox,
    template: recTemplate,
  });
  const [first, second] = await all(dataset);
  expect(first!.id).toBe("rec/1");
  expect(first!.prompt).toBe(
    recTemplate(
      "Please provide the bounding box coordinate of the region this sentence describes: the lady.",
    ),
  );
  expect(first!.target).toEqual({
    box: [16, 12, 32, 24.5],
    solution: "<answer> [16, 12, 32, 24.5] </answer>",
    rewardMethod: "default",
  });
  expect(second!.target).toEqual({
    box: [15, 10, 30, 20],
    solution: "<answer> [15, 10, 30, 20] </answer>",
    rewardMethod: "default",
  });
});

test("reads several files, each with its folder and reward method, several images, and text alone", async () => {
  const dataset = await vlmR1Jsonl({
    files: [
      { path: file("mixed.jsonl"), images: train2014, rewardMethod: "numeric" },
      { path: file("rec.jsonl"), images: train2014 },
    ],
  });
  const samples = await all(dataset);
  expect(
    samples.map(({ id, images, target }) => [id, images.length, target.rewardMethod, target.answer]),
  ).toEqual([
    ["mixed/1", 2, "all_match", "No Defect"],
    ["mixed/2", 1, "numeric", "3"],
    ["mixed/3", 0, "math", "2"],
    ["rec/1", 1, "default", "[16, 12, 32, 24.5]"],
    ["rec/2", 1, "default", "[15, 10, 30, 20]"],
  ]);
  expect(samples[0]!.prompt).toBe(thinkTemplate("Which differs?"));
});

test("reads detections, and None as no object", async () => {
  const dataset = await vlmR1Jsonl({
    files: [{ path: file("detection.jsonl"), images: train2014 }],
    answer: answerAsObjects,
  });
  const [some, none] = await all(dataset);
  expect(some!.target.objects).toEqual([{ box: [1, 2, 11, 12], label: "red cup" }]);
  expect(none!.target.objects).toEqual([]);
});

test("writes answers as Python prints them", async () => {
  const folder = await temporaryFolder();
  const values = [true, null, [1, 2.5, "it's"], { a: [false] }, -0.5];
  const rows = values.map((value) =>
    JSON.stringify({ conversations: [{ value: "q" }, { value: value ?? "None" }] }),
  );
  await writeFile(join(folder, "a.jsonl"), rows.join("\n"));
  const dataset = await vlmR1Jsonl({ files: [{ path: join(folder, "a.jsonl"), images: folder }] });
  expect((await all(dataset)).map(({ target }) => target.answer)).toEqual([
    "True",
    "None",
    `[1, 2.5, "it's"]`,
    "{'a': [False]}",
    "-0.5",
  ]);
});

const row = {
  image: "COCO_train2014_000000000009.jpg",
  conversations: [{ value: "<image>q" }, { value: "[1, 2, 3, 4]" }],
};

test.each<[string, string, RegExp]>([
  ["a line that is no JSON", "{", /line 2: this is no valid JSON/],
  ["a line that is no object", "[1]", /line 2: an object .* found \[1\]/],
  ["no conversations", "{}", /line 2, field "conversations": a list .* found nothing/],
  [
    "a conversation of one turn",
    '{"conversations": [{"value": "q"}]}',
    /line 2: a conversation should have a question/,
  ],
  [
    "a question that is no text",
    '{"conversations": [{"value": 1}, {"value": 1}]}',
    /conversations\[0\]\.value/,
  ],
  ["an answer that is missing", '{"conversations": [{"value": "q"}, {}]}', /conversations\[1\]\.value/],
  [
    "an image that is a number",
    JSON.stringify({ ...row, image: 4 }),
    /line 2, field "image": a file name .* found 4/,
  ],
  [
    "placeholders without images",
    JSON.stringify({ ...row, image: [] }),
    /line 2: there are 1 <image> .* for 0 images/,
  ],
  [
    "an id that lost digits",
    '{"id": 9007199254740993, "conversations": [{"value": "q"}, {"value": [1, 1, 5, 5]}]}',
    /an id below 2\^53/,
  ],
  [
    "a path that leaves the folder",
    JSON.stringify({ ...row, image: "../x.jpg" }),
    /line 2: the file "\.\.\/x\.jpg" is not inside/,
  ],
  [
    "a reward method that is no name",
    JSON.stringify({ ...row, accu_reward_method: 3 }),
    /accu_reward_method/,
  ],
  [
    "a box that is inverted",
    JSON.stringify({ ...row, conversations: [{ value: "q" }, { value: [5, 5, 1, 9] }] }),
    /line 2, field "answer": a box .* found \[5, 5, 1, 9\]/,
  ],
  ["NaN", '{"conversations": [{"value": "q"}, {"value": NaN}]}', /line 2: this is no valid JSON/],
  ["bytes that are no UTF-8", "\xff", /line 2: the text is not UTF-8/],
])("refuses %s, naming the line, and can skip it", async (_, line, message) => {
  const folder = await copyOf("images");
  const path = join(folder, "a.jsonl");
  const good = JSON.stringify({ ...row, id: 1, conversations: [{ value: "q" }, { value: [1, 1, 5, 5] }] });
  await writeFile(path, Buffer.from(`${good}\n${line}\n`, "latin1"));
  const options = {
    files: [{ path, images: join(folder, "images/mscoco/images/train2014") }],
    answer: answerAsBox,
  };
  expect(await refusal(() => vlmR1Jsonl(options))).toMatch(message);
  const lenient = await vlmR1Jsonl({ ...options, onBadSample: "skip" });
  expect([lenient.length, lenient.skipped.count]).toEqual([1, 1]);
  await lenient.get(0);
});

test("a box outside its image is an error when the image is known", async () => {
  const folder = await copyOf("images");
  const path = join(folder, "a.jsonl");
  await writeFile(
    path,
    JSON.stringify({ ...row, conversations: [{ value: "q" }, { value: "[10, 10, 200, 20]" }] }),
  );
  const dataset = await vlmR1Jsonl({
    files: [{ path, images: join(folder, "images/mscoco/images/train2014") }],
    answer: answerAsBox,
  });
  expect(await refusal(() => dataset.get(0))).toMatch(
    /line 1, field "answer": a box inside the image of 64x48 .* found \[10, 10, 200, 20\]/,
  );
});

test("reads the evaluation files: one box a record, in pixels of the original image", async () => {
  const dataset = await vlmR1Evaluation({ path: file("refcoco_val.json"), images: await coco() });
  expect(dataset.length).toBe(12);
  const { id, prompt, target, group } = await dataset.get(3);
  expect(id).toBe("refcoco_val/record-4");
  expect(prompt).toBe(
    recTemplate("Please provide the bounding box coordinate of the region this sentence describes: thing 3."),
  );
  expect(target).toEqual({ box: [4, 2.5, 20.25, 30], solution: "[4, 2.5, 20.25, 30]" });
  expect(group).toBe("refcoco");
});

/** The published folder `train2014/` that the evaluation files name. */
async function coco(): Promise<string> {
  const folder = await copyOf("images");
  return join(folder, "images/mscoco/images");
}

test("samples for evaluation as random.seed(42); random.shuffle(list) does", async () => {
  const python = JSON.parse(
    readFileSync(new URL("../fixtures/python-shuffle.json", import.meta.url), "utf8"),
  ) as number[];
  const dataset = {
    length: python.length,
    get: (index: number) => Promise.resolve({ id: String(index), prompt: "", images: [], target: 0 }),
  };
  const order = (await all(publishedSample(dataset, 10))).map(({ id }) => Number(id));
  expect(order).toEqual(python.slice(0, 10));
  expect(publishedSample(dataset).length).toBe(python.length);
});

test("follows the sampling strategies of the YAML list", async () => {
  const path = file("data.yaml");
  const images = await coco();
  const things = async (seed: number): Promise<number[]> =>
    (await all(await vlmR1Yaml({ path, images, rng: createRng(seed) }))).map(
      ({ target }) => target.box[0] - 1,
    );
  const order = await things(1);
  expect(order.length).toBe(3 + 2 + 4 + 5);
  expect(order.slice(0, 5)).toEqual([0, 1, 2, 3, 4]); // first:3, then end:30% of 5, rounded up to 2
  expect(new Set(order.slice(5, 9)).size).toBe(4);
  expect(order.slice(9)).toEqual([0, 1, 2, 3, 4]);
  expect(await things(1)).toEqual(order);
  expect(await things(2)).not.toEqual(order);
  expect(await refusal(() => vlmR1Yaml({ path, images }))).toMatch(/^invalid-argument: .*random:4.*rng/);
});

test.each([
  ["datasets: {", /no valid YAML/],
  ["datasets: 3", /data\.yaml, datasets/],
  ["datasets: [{json_path: a.json, sampling_strategy: last:3}]", /datasets\.0\.sampling_strategy/],
  ["datasets: [{json_path: a.json, sampling: first:3}]", /datasets\.0/],
  ["datasets: [{json_path: nowhere.json}]", /^not-found: .*nowhere\.json/],
])("refuses the YAML list %j", async (text, message) => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "data.yaml"), text);
  expect(await refusal(() => vlmR1Yaml({ path: join(folder, "data.yaml"), images: folder }))).toMatch(
    message,
  );
});
