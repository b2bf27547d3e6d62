import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { answerAsBox, conversations } from "../../src/index.ts";
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
