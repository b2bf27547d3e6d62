import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "@vlmr1/core";
import { openEngine, type Engine } from "@vlmr1/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadModel } from "../../src/load.ts";
import { adaptedModules, adapterTensors, DEFAULT_LORA } from "../../src/lora/adapter.ts";
import { saveAdapter } from "../../src/lora/peft.ts";
import { readFloats } from "../../src/network/tensors.ts";
import { distance, randomNano } from "../fixtures/small-models.ts";

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await openEngine({ threads: 2 });
  folder = mkdtempSync(join(tmpdir(), "vlmr1-adapted-head-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await engine.dispose();
});

it("reads an adapter of a tied head with PEFT's copy of the head beside it, and refuses another head", async () => {
  const base = await randomNano(engine);
  await base.save(join(folder, "base"));
  const settings = { ...DEFAULT_LORA, rank: 2, targets: ["lm_head"] };
  const { tensors, decoder } = base.architecture;
  const rng = createRng(3);
  const matrices = adapterTensors(adaptedModules(tensors, settings)).map((spec) => ({
    ...spec,
    data: Float32Array.from({ length: spec.shape[0]! * spec.shape[1]! }, () => rng.normal()),
  }));
  const embedding = base.parameters.get(`${decoder.prefix}.embed_tokens.weight`);
  const copy = {
    name: "lm_head.base_layer.weight",
    shape: [...embedding.shape],
    data: await readFloats(embedding),
  };
  await saveAdapter(join(folder, "peft"), settings, [...matrices, copy]);
  const other = { ...copy, data: copy.data.map((value, i) => (i === 5 ? value + 1 : value)) };
  await saveAdapter(join(folder, "other"), settings, [...matrices, other]);

  const prompt = base.preprocess({ messages: [{ role: "user", content: "the red key" }], images: [] });
  const plain = await base.logits(prompt);
  const adapted = await loadModel(join(folder, "base"), { engine, adapter: join(folder, "peft") });
  expect(distance((await adapted.logits(prompt)).data, plain.data)).toBeGreaterThan(0.01);
  await expect(
    loadModel(join(folder, "base"), { engine, adapter: join(folder, "other") }),
  ).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("lm_head.weight") as string,
  });
});
