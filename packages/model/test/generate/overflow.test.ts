import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng, VlmR1Error } from "@vlmr1/core";
import { openEngine } from "@vlmr1/engine";
import { expect, it } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";
import { loadModel } from "../../src/load.ts";
import { saveWeights } from "../../src/weights/checkpoint.ts";
import { fixturePath, readFixture } from "../fixtures/read-fixture.ts";

it("says that weights of 3e38 overflow instead of completing with NaN log-probabilities", async () => {
  const name = "qwen2-tied";
  const folder = mkdtempSync(join(tmpdir(), "vlmr1-overflow-"));
  const engine = await openEngine({ threads: 2 });
  try {
    cpSync(fixturePath(`models/${name}`), folder, { recursive: true });
    const { tokenizer } = readFixture<{ tokenizer: string }>(`models/${name}/expected.json`);
    cpSync(fixturePath(`tokenizers/${tokenizer}/tokenizer.json`), join(folder, "tokenizer.json"));
    const config = readFixture<unknown>(`models/${name}/config.json`);
    const { tensors } = familyOf(config, knownFamilies).architecture(config);
    await saveWeights(
      folder,
      tensors.map(({ name, shape }) => ({
        name,
        shape,
        data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(3e38),
      })),
    );
    const model = await loadModel(folder, { engine });
    const prompt = model.preprocess({ messages: [{ role: "user", content: "hello" }] });
    for (const sampling of [{ temperature: 0 }, { temperature: 1 }, { temperature: 1, topP: 0.5 }]) {
      const rng = createRng(1);
      await expect(model.generate([prompt], { maxNewTokens: 4, rng, ...sampling })).rejects.toSatisfy(
        (error) => VlmR1Error.is(error, "invalid-data") && /not finite/.test(error.message),
      );
    }
    await model.dispose();
  } finally {
    await engine.dispose();
    rmSync(folder, { recursive: true });
  }
});
