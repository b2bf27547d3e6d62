import { createRng } from "@vlmr1/core";
import { openEngine } from "@vlmr1/engine";
import { createModel, nano } from "@vlmr1/model";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { run } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmr1-generate-"));
const model = join(folder, "model");
const images = join(folder, "images");
const messages = join(folder, "messages.json");
const inputs = ["--model", model, "--messages", messages, "--images", images];

beforeAll(async () => {
  const engine = await openEngine();
  const fresh = await createModel(nano(), { engine, rng: createRng(1) });
  await fresh.save(model);
  await engine.dispose();
  mkdirSync(images);
  await sharp({ create: { width: 64, height: 64, channels: 3, background: "teal" } })
    .png()
    .toFile(join(images, "a.png"));
  const content = [
    { type: "image", image: "a.png" },
    { type: "text", text: "the red key" },
  ];
  writeFileSync(messages, JSON.stringify([{ role: "user", content }]));
}, 120_000);

test("generate answers greedily the same twice, and by seed when it samples", async () => {
  const greedy = ["generate", ...inputs, "--max-new-tokens", "6", "--temperature", "0", "--json"];
  const first = (await run(...greedy)).json as { tokenIds: number[]; text: string };
  expect(first.tokenIds).toHaveLength(6);
  expect((await run(...greedy)).json).toEqual(first);
  const sampled = (seed: string): Promise<unknown> =>
    run("generate", ...inputs, "--max-new-tokens", "6", "--temperature", "1", "--seed", seed, "--json").then(
      ({ json }) => json,
    );
  expect(await sampled("1")).toEqual(await sampled("1"));
  expect(await sampled("1")).not.toEqual(await sampled("2"));
}, 120_000);

test("inspect shows ids, positions on three axes, grids, log-probabilities and the next token's logits", async () => {
  const result = (await run("inspect", ...inputs, "--completion", "red key", "--json")).json as {
    inputIds: number[];
    positionIds: number[][];
    imageGrids: number[][];
    logProbs: number[];
    lastLogits: number[];
  };
  expect(result.positionIds).toHaveLength(3);
  expect(result.positionIds[0]).toHaveLength(result.inputIds.length);
  expect(result.imageGrids).toEqual([[1, 8, 8]]);
  expect(result.logProbs.every((value) => value < 0)).toBe(true);
  const total = result.lastLogits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const greedy = (await run("generate", ...inputs, "--max-new-tokens", "1", "--temperature", "0", "--json"))
    .json as { tokenIds: number[] };
  expect(result.lastLogits.indexOf(Math.max(...result.lastLogits))).toBe(greedy.tokenIds[0]);
  expect(total).toBeGreaterThan(0);
}, 120_000);

test("only files inside the image folder are opened, and what is missing is named", async () => {
  const outside = join(folder, "outside.json");
  writeFileSync(
    outside,
    JSON.stringify([{ role: "user", content: [{ type: "image", image: "../messages.json" }] }]),
  );
  const refused = await run(
    "generate",
    "--model",
    model,
    "--messages",
    outside,
    "--images",
    images,
    "--json",
  );
  expect(refused.errors).toContain("lies outside");
  const missing = await run(
    "generate",
    "--model",
    join(folder, "none"),
    "--messages",
    messages,
    "--images",
    images,
    "--json",
  );
  expect(missing.json).toMatchObject({ error: { code: "not-found" } });
  writeFileSync(outside, '{"role": 3}');
  expect((await run("inspect", "--model", model, "--messages", outside)).errors).toContain(
    "is not a conversation",
  );
}, 60_000);
