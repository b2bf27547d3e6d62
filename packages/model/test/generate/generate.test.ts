import { createRng, type Sample } from "@vlmr1/core";
import { openEngine, type Engine } from "@vlmr1/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GenerationUpdate } from "../../src/generate/generate.ts";
import type { Model } from "../../src/model.ts";
import type { Prompt } from "../../src/network/inputs.ts";
import { sampleMessages } from "../../src/train/policy.ts";
import { distance, questions, randomNano } from "../fixtures/small-models.ts";

let engine: Engine;
let model: Model;
const PLAIN = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, stopTokenIds: [] } as const;

const promptOf = (sample: Sample): Prompt =>
  model.preprocess({ messages: sampleMessages(sample), images: sample.images });

beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
  model = await randomNano(engine);
});
afterAll(async () => {
  await model.dispose();
  await engine.dispose();
});

/** log p of tokens after a prompt at a temperature, from one pass without any cache. */
async function uncachedLogProbs(
  prompt: Prompt,
  ids: readonly number[],
  temperature: number,
): Promise<number[]> {
  const { data, shape } = await model.logits(prompt, ids);
  return ids.map((id, t) => {
    const row = data.subarray((prompt.ids.length - 1 + t) * shape[1], (prompt.ids.length + t) * shape[1]);
    const scaled = Array.from(row, (value) => value / temperature);
    const top = Math.max(...scaled);
    return (
      (scaled[id] as number) - top - Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - top), 0))
    );
  });
}

describe("generate", () => {
  it("gives the log-probabilities of a pass without cache, for every answer of a shared prompt", async () => {
    const [sample] = questions(1);
    const prompt = promptOf(sample as Sample);
    const options = { ...PLAIN, temperature: 0.7, count: 3, maxNewTokens: 12, rng: createRng(5) };
    const [answers] = await model.generate([prompt], options);
    for (const answer of answers ?? []) {
      expect(answer.tokenIds).toHaveLength(12);
      expect(distance(answer.logProbs, await uncachedLogProbs(prompt, answer.tokenIds, 0.7))).toBeLessThan(
        1e-5,
      );
      expect(distance(answer.rawLogProbs, await uncachedLogProbs(prompt, answer.tokenIds, 1))).toBeLessThan(
        1e-5,
      );
    }
  });

  it("gives the same answers alone and in a padded batch", async () => {
    const prompts = questions(3).map(promptOf);
    expect(new Set(prompts.map(({ ids }) => ids.length)).size).toBe(3);
    const greedy = { ...PLAIN, temperature: 0, maxNewTokens: 10 };
    const together = await model.generate(prompts, greedy);
    for (const [i, prompt] of prompts.entries()) {
      const [[alone] = []] = await model.generate([prompt], greedy);
      expect(together[i]?.[0]?.tokenIds).toEqual(alone?.tokenIds);
      expect(distance(together[i]?.[0]?.rawLogProbs ?? [], alone?.rawLogProbs ?? [])).toBeLessThan(1e-5);
    }
  });

  it("gives the same text for a seed on every run, and another for another seed", async () => {
    const prompts = questions(2).map(promptOf);
    const run = async (seed: number) => {
      const answers = await model.generate(prompts, {
        ...PLAIN,
        count: 2,
        maxNewTokens: 8,
        rng: createRng(seed),
      });
      return answers.flat().map(({ tokenIds }) => tokenIds);
    };
    const first = await run(1);
    expect(await run(1)).toEqual(first);
    expect(await run(2)).not.toEqual(first);
  });

  it("draws the same tokens in the graph and on the host", async () => {
    const prompts = questions(2).map(promptOf);
    const options = { ...PLAIN, count: 2, maxNewTokens: 8 };
    const inGraph = await model.generate(prompts, { ...options, rng: createRng(3) });
    const onHost = await model.generate(prompts, { ...options, rng: createRng(3), topP: 0.999999999 });
    expect(onHost.flat().map(({ tokenIds }) => tokenIds)).toEqual(
      inGraph.flat().map(({ tokenIds }) => tokenIds),
    );
  });

  it("keeps to the K likeliest tokens and says what it drew from", async () => {
    const [prompt] = questions(1).map(promptOf);
    const options = { ...PLAIN, topK: 1, maxNewTokens: 6, rng: createRng(3) };
    const [[best] = []] = await model.generate([prompt as Prompt], options);
    const [[greedy] = []] = await model.generate([prompt as Prompt], {
      ...PLAIN,
      temperature: 0,
      maxNewTokens: 6,
    });
    expect(best?.tokenIds).toEqual(greedy?.tokenIds);
    expect(best?.logProbs).toEqual([0, 0, 0, 0, 0, 0]);
    expect(best?.rawLogProbs.every((value) => value < 0)).toBe(true);
  });

  it("does not repeat a token under a huge repetition penalty", async () => {
    const [prompt] = questions(1).map(promptOf);
    const options = { ...PLAIN, temperature: 0, repetitionPenalty: 1e6, maxNewTokens: 10 };
    const [[answer] = []] = await model.generate([prompt as Prompt], options);
    expect(new Set(answer?.tokenIds).size).toBe(10);
  });

  it("stops at a stop token, which belongs to the answer, and at a stop string, which does not", async () => {
    const [prompt] = questions(1).map(promptOf) as [Prompt];
    const greedy = { ...PLAIN, temperature: 0, maxNewTokens: 8 };
    const [[free] = []] = await model.generate([prompt], greedy);
    const stop = free?.tokenIds[3] as number;
    const first = free?.tokenIds.indexOf(stop) as number;
    const [[stopped] = []] = await model.generate([prompt], { ...greedy, stopTokenIds: [stop] });
    expect(stopped).toMatchObject({ tokenIds: free?.tokenIds.slice(0, first + 1), finishReason: "stop" });
    const text = free?.text ?? "";
    const word = text.slice(3, 5);
    const [[cut] = []] = await model.generate([prompt], { ...greedy, stop: [word] });
    expect(cut).toMatchObject({ text: text.slice(0, text.indexOf(word)), finishReason: "stop" });
    expect(free?.finishReason).toBe("length");
  });

  it("streams every answer and ends at once when it is aborted", async () => {
    const prompts = questions(2).map(promptOf);
    const updates: GenerationUpdate[] = [];
    const abort = new AbortController();
    const answers = await model.generate(prompts, {
      ...PLAIN,
      rng: createRng(1),
      count: 2,
      maxNewTokens: 20,
      signal: abort.signal,
      onUpdate(update) {
        updates.push({ ...update, tokenIds: [...update.tokenIds] });
        if (update.tokenIds.length === 3) abort.abort();
      },
    });
    expect(answers.flat().map(({ tokenIds, finishReason }) => [tokenIds.length, finishReason])).toEqual(
      Array.from({ length: 4 }, () => [3, "aborted"]),
    );
    const keys = updates.map(
      ({ prompt, completion, tokenIds }) => `${prompt}/${completion}/${tokenIds.length}`,
    );
    expect(new Set(keys).size).toBe(12);
  });

  it("refuses options outside their range and prompts that fill the context", async () => {
    const [prompt] = questions(1).map(promptOf) as [Prompt];
    const rng = createRng(1);
    for (const wrong of [
      { temperature: -1 },
      { topP: 0 },
      { topK: -2 },
      { minP: 2 },
      { repetitionPenalty: 0 },
      { count: 0 },
    ]) {
      await expect(model.generate([prompt], { ...PLAIN, rng, ...wrong })).rejects.toMatchObject({
        code: "invalid-argument",
      });
    }
    await expect(model.generate([prompt], PLAIN)).rejects.toThrow(/rng/);
    const long = model.preprocess({ messages: [{ role: "user", content: "key ".repeat(300) }] });
    await expect(model.generate([long], { ...PLAIN, rng })).rejects.toThrow(/context of the model has 256/);
  });
});
