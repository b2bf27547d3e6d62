import { readFileSync, rmSync } from "node:fs";
import type { RgbImage } from "@vlmr1/core";
import { loadImage } from "@vlmr1/data";
import { type Engine, openEngine } from "@vlmr1/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../src/load.ts";
import { messageImages } from "../../src/text/chat.ts";
import { fixturePath } from "../fixtures/read-fixture.ts";
import {
  type ExpectedCase,
  floats,
  largestDifference,
  makeVariant,
  variantNames,
} from "../fixtures/variant.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ device: "cpu" });
});
afterAll(() => engine.dispose());

async function decodeImages({ messages }: ExpectedCase): Promise<RgbImage[]> {
  const files = messageImages(messages) as string[];
  return Promise.all(files.map(async (file) => loadImage(readFileSync(fixturePath(`images/${file}`)))));
}

describe.each(variantNames)("%s, loaded from its folder and compiled", (name) => {
  it("has the logits and the greedy answers of transformers", async () => {
    const variant = await makeVariant(name);
    const model = await loadModel(variant.folder, { engine });
    for (const expected of variant.cases) {
      const prompt = model.preprocess({ messages: expected.messages, images: await decodeImages(expected) });
      expect(prompt.ids).toEqual(expected.ids);
      const { data } = await model.logits(prompt, expected.completion);
      const last = floats(expected.last_logits);
      expect(largestDifference(data.slice(-last.length), last)).toBeLessThan(2e-5);
    }
    const first = variant.cases[0]!;
    const prompt = model.preprocess({ messages: first.messages, images: await decodeImages(first) });
    const plain = {
      temperature: 0,
      repetitionPenalty: 1,
      stopTokenIds: [],
      maxNewTokens: first.greedy.length,
    };
    const [answers] = await model.generate([prompt], plain);
    expect(answers!.map(({ tokenIds }) => [...tokenIds])).toEqual([first.greedy]);
    await model.dispose();
    rmSync(variant.folder, { recursive: true });
  });
});
