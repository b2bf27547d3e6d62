import { describe, expect, it } from "vitest";
import { readGenerationConfig } from "../../src/generate/sampling.ts";

describe("readGenerationConfig", () => {
  it("reads how the makers sample", () => {
    const file = {
      do_sample: true,
      eos_token_id: [328, 326],
      pad_token_id: 326,
      temperature: 0.7,
      top_k: 20,
      top_p: 0.8,
      repetition_penalty: 1.1,
    };
    expect(readGenerationConfig(file, {}, undefined)).toEqual({
      stopTokenIds: [328, 326],
      padTokenId: 326,
      temperature: 0.7,
      topK: 20,
      topP: 0.8,
      minP: 0,
      repetitionPenalty: 1.1,
    });
  });

  it("is greedy unless the file says that the makers sample", () => {
    expect(readGenerationConfig({ temperature: 0.7 }, {}, undefined).temperature).toBe(0);
    expect(readGenerationConfig({ do_sample: true }, {}, undefined).temperature).toBe(1);
  });

  it("finds the stop token in config.json, in its text part, or with the tokenizer", () => {
    expect(readGenerationConfig(undefined, { eos_token_id: 7 }, 9).stopTokenIds).toEqual([7]);
    expect(
      readGenerationConfig(undefined, { text_config: { eos_token_id: [3, 4] } }, 9).stopTokenIds,
    ).toEqual([3, 4]);
    expect(readGenerationConfig(undefined, {}, 9)).toMatchObject({ stopTokenIds: [9], padTokenId: 9 });
    expect(readGenerationConfig(undefined, {}, undefined).stopTokenIds).toEqual([]);
  });

  it.each([{ temperature: -1 }, { top_p: 2 }, { eos_token_id: "x" }, { repetition_penalty: 0 }, []])(
    "refuses %j",
    (file) => {
      expect(() => readGenerationConfig(file, {}, undefined)).toThrowError(/generation_config\.json/);
    },
  );
});
