import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import {
  cocoDetection,
  detectionQuestion,
  detectionQuestionInTags,
  openVocabulary,
  ovdEval,
} from "../../src/index.ts";
import { all, published, refusal, train2014 } from "../published.ts";

const coco = () => cocoDetection({ annotations: join(published, "coco/instances.json"), images: train2014 });

test("asks for names that the image has and names that it has not; the target holds the objects asked for", async () => {
  const dataset = openVocabulary(await coco(), { rng: createRng(1), negatives: 1 });
  const [all3, two, none] = await all(dataset);
  expect([...all3!.target.positives].sort()).toEqual(["dog", "person", "toothbrush"]);
  expect(all3!.target.negatives).toEqual([]);
  expect(two!.target.negatives).toEqual(["toothbrush"]);
  expect(two!.target.objects.map(({ label }) => label)).toEqual(["person", "dog"]);
  expect(none!.target).toMatchObject({ positives: [], objects: [] });
  expect([two!.group, none!.group]).toEqual(["present", "absent"]);
  for (const { prompt, target } of [all3!, two!, none!]) {
    const names = /targets: (.*?)\. Output/.exec(prompt)![1]!.split("; ");
    expect([...names].sort()).toEqual([...target.positives, ...target.negatives].sort());
  }
});

test("does not depend on the order of reading, and repeats from the seed", async () => {
  const options = { negatives: 1, positives: 1 };
  const first = openVocabulary(await coco(), { ...options, rng: createRng(5) });
  const second = openVocabulary(await coco(), { ...options, rng: createRng(5) });
  const forwards = [await first.get(0), await first.get(1)];
  const backwards = [await second.get(1), await second.get(0)].reverse();
  expect(forwards.map(({ prompt }) => prompt)).toEqual(backwards.map(({ prompt }) => prompt));
  const prompts = async (seed: number): Promise<string[]> =>
    (await all(openVocabulary(await coco(), { ...options, rng: createRng(seed) }))).map(
      ({ prompt }) => prompt,
    );
  const varied = await Promise.all([1, 2, 3, 4].map(prompts));
  expect(new Set(varied.map(String)).size).toBeGreaterThan(1);
});

test("asks only for absent names in the share that was asked for", async () => {
  const dataset = openVocabulary(await coco(), {
    rng: createRng(1),
    absent: 1,
    negatives: 2,
    question: detectionQuestionInTags,
  });
  const { prompt, target } = await dataset.get(1);
  expect(target).toMatchObject({ positives: [], negatives: ["toothbrush"], objects: [] });
  expect(prompt).toContain("detect the following objects: ['toothbrush']. Output");
  expect((await dataset.get(0)).target.positives.length).toBe(3); // this image lacks no name
});

test("refuses shares outside 0..1", async () => {
  const dataset = await coco();
  expect(await refusal(() => openVocabulary(dataset, { rng: createRng(1), absent: 1.5 }))).toMatch(
    /absent in 0\.\.1/,
  );
});

test("reads OVDEval: each image with its own labels and hard negatives", async () => {
  const dataset = await ovdEval({ annotations: join(published, "ovdeval/color.json"), images: train2014 });
  const [first, second] = await all(dataset);
  expect(first!.prompt).toBe(detectionQuestion(["red cup", "blue cup", "green cup"]));
  expect(first!.target).toMatchObject({
    positives: ["red cup"],
    negatives: ["blue cup", "green cup"],
    imageId: 0,
  });
  expect(
    first!.target.objects.map(({ annotationId, categoryId, box }) => [annotationId, categoryId, box]),
  ).toEqual([
    [0, 0, [1, 2, 11, 12]],
    [1, 0, [20, 2, 30, 14]],
  ]);
  expect(second!.prompt).toBe(detectionQuestion(["blue cup", "red cup"]));
});

test("asks OVDEval's celebrity, logo and landmark images for every category", async () => {
  const options = {
    annotations: join(published, "ovdeval/color.json"),
    images: train2014,
    names: "all",
  } as const;
  const { prompt, target } = await (await ovdEval(options)).get(1);
  expect(prompt).toBe(detectionQuestion(["red cup", "blue cup", "green cup"]));
  expect(target).toMatchObject({ positives: ["blue cup"], negatives: ["red cup", "green cup"] });
  const shuffled = await (await ovdEval({ ...options, rng: createRng(3) })).get(1);
  expect(shuffled.target).toEqual(target);
});
