import { readFileSync, rmSync } from "node:fs";
import { type Engine, openEngine } from "@vlmr1/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../src/load-model.ts";
import { decodeImage } from "../../src/processor/decode-image.ts";
import { messageImages } from "../../src/text/messages.ts";
import { fixturePath } from "../fixtures/read-fixture.ts";
import { floats, largestDifference, makeVariant } from "../fixtures/variant.ts";

/** One variant of every kind of tower and decoder; `parity.test.ts` compares all of them without an engine. */
const VARIANTS = [
  "qwen2-5-vl-untied",
  "qwen2-vl-flat",
  "smolvlm-scale-3",
  "idefics3-one-tile",
  "llama-scaled",
  "qwen2-tied",
];

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ device: "cpu" });
});
afterAll(() => engine.close());

describe.each(VARIANTS)("%s, loaded from its folder and compiled", (name) => {
  it("has the logits and the greedy answer of transformers", async () => {
    const variant = await makeVariant(name);
    const model = await loadModel(variant.folder, { engine });
    const expected = variant.cases[0]!;
    const files = messageImages(expected.messages) as string[];
    const images = await Promise.all(
      files.map(async (file) => decodeImage(readFileSync(fixturePath(`images/${file}`)))),
    );
    const prompt = model.preprocess({ messages: expected.messages, images });
    expect(prompt.ids).toEqual(expected.ids);
    const { data } = await model.logits(prompt, expected.completion);
    const last = floats(expected.last_logits);
    expect(largestDifference(data.slice(-last.length), last)).toBeLessThan(2e-5);
    const plain = {
      temperature: 0,
      repetitionPenalty: 1,
      stopTokenIds: [],
      maxNewTokens: expected.greedy.length,
    };
    const [answers] = await model.generate([prompt], plain);
    expect(answers!.map(({ tokenIds }) => [...tokenIds])).toEqual([expected.greedy]);
    await model.dispose();
    rmSync(variant.folder, { recursive: true });
  });
});
