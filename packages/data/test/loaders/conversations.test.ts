import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unit, type Box } from "@vlmr1/core";
import {
  answerAsBox,
  answerAsBoxIn,
  conversations,
  plainTemplate,
  vlmR1Jsonl,
  type AnswerReader,
} from "../../src/index.ts";
import { all, published, refusal, temporaryFolder, train2014 } from "../published.ts";

const folder = join(published, "conversations");

test("reads LLaVA: the first question, without its placeholder, and its answer", async () => {
  const [picture, text] = await all(
    await conversations({ path: join(folder, "llava.json"), images: train2014 }),
  );
  expect(picture).toMatchObject({
    id: "llava/000000033471",
    prompt: "What are the colors of the bus in the image?",
    target: { answer: "The bus in the image is white and red." },
    answer: "The bus in the image is white and red.",
  });
  expect(picture!.images.length).toBe(1);
  expect(text).toMatchObject({ prompt: "hi", images: [], answer: "hello" });
});

test("reads ShareGPT messages with a system turn and a list of images", async () => {
  const path = join(folder, "sharegpt.json");
  const dataset = await conversations({ path, images: train2014, answer: answerAsBox });
  expect(await dataset.get(0)).toMatchObject({
    id: "sharegpt/record-1",
    system: "You are a helpful assistant.",
    prompt: "Where is the lady?",
    target: { box: [16, 12, 32, 24] },
  });
});

const turn = (from: string, value: unknown): object => ({ from, value });

test.each<[string, object, RegExp]>([
  [
    "a speaker that is unknown",
    { conversations: [turn("robot", "x")] },
    /conversations\[0\]\.from": one of .* found "robot"/,
  ],
  [
    "a speaker from JavaScript's own names",
    { conversations: [turn("constructor", "x")] },
    /found "constructor"/,
  ],
  ["a question without an answer", { conversations: [turn("human", "x")] }, /a question and its answer/],
  ["an answer without a question", { conversations: [turn("gpt", "x")] }, /a question and its answer/],
  [
    "a turn without text",
    { conversations: [turn("human", 3)] },
    /conversations\[0\]\.value": text should be here, found 3/,
  ],
  [
    "more placeholders than images",
    { image: "a.jpg", conversations: [turn("human", "<image><image>"), turn("gpt", "x")] },
    /2 <image> placeholders for 1 images/,
  ],
  [
    "a placeholder without an image",
    { conversations: [turn("human", "<image>x"), turn("gpt", "x")] },
    /1 <image> placeholders for 0 images/,
  ],
])("refuses %s", async (_, record, message) => {
  const path = join(await temporaryFolder(), "a.json");
  await writeFile(path, JSON.stringify([record]));
  expect(await refusal(() => conversations({ path, images: folder }))).toMatch(message);
});

/** The samples of records written to a file of that name, and the dataset they came from. */
async function loaded(records: readonly object[], name = "a.jsonl") {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, records.map((record) => JSON.stringify(record)).join("\n"));
  const files = [{ path, images: train2014 }];
  return { dataset: await vlmR1Jsonl({ files, template: plainTemplate }), path };
}

const picture = "COCO_train2014_000000000009.jpg";
const other = "COCO_train2014_000000000034.jpg";
const exchange = [turn("human", "<image>q"), turn("gpt", 7)];

test.each<[string, object, { prompt?: string; system?: string; images?: number }]>([
  ["images as a list", { images: [picture], conversations: exchange }, { images: 1 }],
  ["image: null beside images", { image: null, images: [picture], conversations: exchange }, { images: 1 }],
  ["no picture as null", { image: null, conversations: [turn("human", "q"), turn("gpt", 7)] }, { images: 0 }],
  [
    "no picture as an empty list",
    { images: [], conversations: [turn("human", "q"), turn("gpt", 7)] },
    { images: 0 },
  ],
  [
    "a system turn first",
    { image: picture, conversations: [turn("system", "be brief"), ...exchange] },
    { system: "be brief" },
  ],
  [
    "a system turn last",
    { image: picture, conversations: [...exchange, turn("system", "be brief")] },
    { system: "be brief" },
  ],
  ["an answer first", { image: picture, conversations: [turn("gpt", "hello"), ...exchange] }, {}],
  [
    "messages of role and content",
    {
      image: picture,
      messages: [
        { role: "user", content: "<image>q" },
        { role: "assistant", content: "7" },
      ],
    },
    {},
  ],
  ["turns without speakers", { image: picture, conversations: [{ value: "<image>q" }, { value: 7 }] }, {}],
  [
    "a picture in a later turn, which the first question does not speak of",
    { images: [picture, other], conversations: [...exchange, turn("human", "and <image>?"), turn("gpt", 8)] },
    { images: 1 },
  ],
])("VLM-R1's JSONL takes %s", async (_, record, { prompt = "q", system, images = 1 }) => {
  const sample = await (await loaded([record])).dataset.get(0);
  expect(sample).toMatchObject({ prompt, target: { answer: "7", solution: "<answer> 7 </answer>" } });
  expect([sample.system, sample.images.length]).toEqual([system, images]);
});

test.each([
  "<ref-object>",
  "<bbox>",
  "<img>",
  "<video>",
  "<audio>",
  "<IMG_CONTEXT>",
  "<|image_pad|>",
  "<|image_1|>",
  "<image_2>",
])("the placeholder %s of another tool is an error wherever it stands", async (placeholder) => {
  for (const turns of [
    [turn("human", `what is ${placeholder}?`), turn("gpt", 7)],
    [turn("human", "q"), turn("gpt", `it is ${placeholder}`)],
    [turn("human", "q"), turn("gpt", 7), turn("human", placeholder), turn("gpt", 7)],
  ]) {
    const problem = await refusal(() => loaded([{ conversations: turns }]));
    expect(problem).toContain(
      `line 1: the text has the placeholder ${placeholder}, which another tool fills in`,
    );
  }
});

test("ids that records share become unique, and a warning counts them", async () => {
  const records = ["a", "a", "b", "a", "a-2", 5, 5].map((id) => ({
    id,
    image: picture,
    conversations: exchange,
  }));
  const { dataset } = await loaded(records);
  expect((await all(dataset)).map(({ id }) => id)).toEqual([
    "a/a",
    "a/a-2",
    "a/b",
    "a/a-3",
    "a/a-2-2",
    "a/5",
    "a/5-2",
  ]);
  expect(dataset.warnings).toEqual([
    expect.stringMatching(/line 2 and 3 more: the id of an earlier record is used again/),
  ]);
  const many = Array.from({ length: 20_000 }, () => ({
    id: "same",
    conversations: [turn("human", "q"), turn("gpt", 7)],
  }));
  expect((await (await loaded(many)).dataset.get(19_999)).id).toBe("a/same-20000");
});

test("fractions that are read as pixels are doubted, once for all", async () => {
  const record = (box: readonly number[]) => ({
    image: picture,
    conversations: [turn("human", "<image>q"), turn("gpt", box)],
  });
  const path = join(await temporaryFolder(), "a.jsonl");
  await writeFile(
    path,
    [record([0.1, 0.2, 0.5, 0.9]), record([0.2, 0.2, 0.3, 1])].map((each) => JSON.stringify(each)).join("\n"),
  );
  const files = [{ path, images: train2014 }];
  const read = async (answer: AnswerReader<{ readonly box: Box }>) => vlmR1Jsonl({ files, answer });
  expect((await read(answerAsBox)).warnings).toEqual([
    expect.stringMatching(/line 1 and 1 more: the box lies within 0\.\.1.*answerAsBoxIn\(unit\)/),
  ]);
  expect((await read(answerAsBoxIn(unit))).warnings).toEqual([]);
});

test("files that are not what their names say are named", async () => {
  const array = join(await temporaryFolder(), "a.jsonl");
  await writeFile(array, JSON.stringify([{ conversations: exchange }], null, 2));
  expect(await refusal(() => vlmR1Jsonl({ files: [{ path: array, images: folder }] }))).toMatch(
    /this is one JSON array.*Rename it to \.json/,
  );
  const records = [1, 2].map((id) => ({ id, conversations: [turn("human", "q"), turn("gpt", "7")] }));
  expect(await refusal(() => loaded(records, "a.json"))).toMatch(/this is JSON Lines.*Rename it to \.jsonl/);
  await writeFile(array, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
  expect(await refusal(() => vlmR1Jsonl({ files: [{ path: array, images: folder }] }))).toMatch(
    /Git LFS pointer/,
  );
  const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  await writeFile(array, `{"conversations": [{"value": "q"}, {"value": ${deep}}]}`);
  expect(await refusal(() => vlmR1Jsonl({ files: [{ path: array, images: folder }] }))).toMatch(
    /^limit: .*line 1: the JSON is nested/,
  );
});
