import { mkdtempSync, rmSync, writeFileSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { openEngine, type Engine } from "@vlmr1/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nano } from "../../src/families/nano.ts";
import { inspect } from "../../src/inspect.ts";
import { loadModel } from "../../src/load.ts";
import { createAdapter, DEFAULT_LORA, mergeAdapter, unmergeAdapter } from "../../src/lora/adapter.ts";
import type { Model } from "../../src/model.ts";
import { createTokenizer } from "../../src/text/tokenizer.ts";
import { distance, noise, randomNano } from "../fixtures/small-models.ts";

let engine: Engine;
let model: Model;
let folder: string;
const request = () => ({
  messages: [
    { role: "user", content: [{ type: "image" }, { type: "text", text: "the red key left of the bell" }] },
  ] as const,
  images: [noise(createRng(3))],
});

beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
  model = await randomNano(engine);
  folder = mkdtempSync(join(tmpdir(), "vlmr1-nano-"));
  await model.save(folder);
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await engine.dispose();
});

describe("nano", () => {
  it("has 862,128 parameters in 80 tensors and 16 tokens for an image of 64 pixels", () => {
    const { tensors } = model.architecture;
    const size = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect([tensors.length, size]).toEqual([80, 862_128]);
    expect(model.preprocess(request()).images[0]?.tokens).toBe(16);
  });

  it("reads and writes its answers exactly, words and coordinates as single tokens", () => {
    const text = '<think> red key lower center </think> <answer> {"bbox_2d": [47, 750, 234, 1000]} </answer>';
    const tokenizer = createTokenizer(nano().tokenizer, nano().tokenizerConfig);
    const ids = tokenizer.encode(text);
    expect(ids).toHaveLength(17);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.decode(tokenizer.encode("Hello, zebra 123!"))).toBe("Hello, zebra 123!");
  });

  it("learns other words when it is told them", () => {
    const tokenizer = createTokenizer(nano({ words: ["zebra"] }).tokenizer, undefined);
    expect(tokenizer.encode(" zebra")).toHaveLength(1);
    expect(tokenizer.encode(" anchor")).toHaveLength(7);
  });

  it("is the same for the same seed, and the same after it was saved and loaded", async () => {
    const twin = await randomNano(engine);
    const other = await randomNano(engine, 2);
    const loaded = await loadModel(folder, { engine });
    const prompt = model.preprocess(request());
    const { data } = await model.logits(prompt);
    expect(distance((await twin.logits(prompt)).data, data)).toBe(0);
    expect(distance((await loaded.logits(prompt)).data, data)).toBe(0);
    expect(distance((await other.logits(prompt)).data, data)).toBeGreaterThan(0.1);
  });

  it("rounds its weights to the type that it is loaded with, and is saved in that type", async () => {
    const rounded = await loadModel(folder, { engine, dtype: "BF16" });
    const path = join(folder, "bfloat16");
    await model.save(path, { dtype: "BF16" });
    const stored = await loadModel(path, { engine });
    await rounded.save(join(folder, "again"));
    const prompt = model.preprocess(request());
    const { data } = await rounded.logits(prompt);
    expect(distance((await stored.logits(prompt)).data, data)).toBe(0);
    expect(distance((await model.logits(prompt)).data, data)).toBeGreaterThan(1e-5);
    const size = async (name: string): Promise<number> => (await stat(join(folder, name))).size;
    expect(await size("again/model.safetensors")).toBe(await size("bfloat16/model.safetensors"));
  });

  it("keeps its logits through a saved adapter, and through merging and unmerging", async () => {
    const adapted = await loadModel(folder, { engine });
    const rng = createRng(9);
    const config = { ...DEFAULT_LORA, rank: 3, targets: ["q_proj", "down_proj", "attn.qkv"] };
    const adapter = await createAdapter(engine, adapted.architecture.tensors, config, (_, target) => {
      for (let i = 0; i < target.length; i++) target[i] = 0.1 * rng.normal();
    });
    const prompt = adapted.preprocess(request());
    const base = (await adapted.logits(prompt)).data;
    await adapted.useAdapter(adapter);
    const { data } = await adapted.logits(prompt);
    expect(distance(data, base)).toBeGreaterThan(0.01);
    const path = join(folder, "adapter");
    await adapted.save(path);
    const again = await loadModel(folder, { engine, adapter: path });
    expect(distance((await again.logits(prompt)).data, data)).toBe(0);
    const merged = await mergeAdapter(adapted);
    expect(distance((await adapted.logits(prompt)).data, data)).toBeLessThan(1e-4);
    await unmergeAdapter(adapted, merged as typeof adapter);
    expect(distance((await adapted.logits(prompt)).data, data)).toBeLessThan(1e-4);
  });
});

describe("inspect", () => {
  it("shows every stage of a prompt and scores a completion", async () => {
    const result = await inspect(model, { ...request(), completion: "<think> red" });
    expect(result.inputIds).toHaveLength(result.tokens.length);
    expect(result.tokens.filter((token) => token === "<|image_pad|>")).toHaveLength(16);
    expect(result.imageGrids).toEqual([[1, 8, 8]]);
    expect(result.positionIds.map((axis) => axis.slice(4, 10))).toEqual([
      [4, 4, 4, 4, 4, 4],
      [4, 4, 4, 4, 5, 5],
      [4, 5, 6, 7, 4, 5],
    ]);
    expect(result.ropeDelta).toBe(-12);
    expect(result.lastLogits).toHaveLength(224);
    expect(result.top[0]?.logit).toBe(Math.max(...result.lastLogits));
    expect(result.logProbs).toHaveLength(2);
    const chosen = result.lastLogits[result.completionIds?.[0] as number] as number;
    const normalizer = Math.log(result.lastLogits.reduce((sum, value) => sum + Math.exp(value), 0));
    expect(result.logProbs?.[0]).toBeCloseTo(chosen - normalizer, 5);
  });
});

describe("loadModel", () => {
  it("names what is wrong with a folder", async () => {
    await expect(loadModel(join(folder, "nowhere"), { engine })).rejects.toMatchObject({ code: "not-found" });
    const config = readFileSync(join(folder, "config.json"), "utf8");
    const broken: readonly (readonly [string, RegExp])[] = [
      [config.replace('"qwen3_vl"', '"bert"'), /model_type is "bert"/],
      [config.replace('"hidden_size": 96', '"hidden_size": -1'), /hidden_size/],
      [config.replace('"num_hidden_layers": 3', '"num_hidden_layers": 4'), /layers\.3\./],
      ["{", /no valid JSON/],
    ];
    for (const [text, message] of broken) {
      writeFileSync(join(folder, "config.json"), text);
      await expect(loadModel(folder, { engine })).rejects.toThrow(message);
    }
    writeFileSync(join(folder, "config.json"), config);
  });

  it("refuses messages whose images do not match", () => {
    const { messages, images } = request();
    expect(() => model.preprocess({ messages, images: [...images, ...images] })).toThrow(
      /2 images were given/,
    );
    expect(() => model.preprocess({ messages })).toThrow(/image/);
    expect(() => model.preprocess({ messages, images: [noise(createRng(1), 10_000, 1)] })).toThrow(
      /10000|aspect/,
    );
  });
});
