import { VlmR1Error } from "@vlmr1/core";
import { expect, test } from "vitest";
import { qwen2 } from "../../src/families/text-decoders.ts";

function decoderWith(rope: object, theta = 1_000_000) {
  return qwen2.architecture({
    model_type: "qwen2",
    vocab_size: 8,
    hidden_size: 128,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    max_position_embeddings: 32_768,
    rope_theta: theta,
    rope_scaling: rope,
  }).decoder;
}

test("YaRN stretches the context by its factor, keeps fast frequencies and stretches slow ones", () => {
  const decoder = decoderWith({ type: "yarn", factor: 4, original_max_position_embeddings: 32_768 });
  expect(decoder.contextLength).toBe(131_072);
  expect(decoder.frequencyScale).toHaveLength(64);
  expect(decoder.frequencyScale?.[0]).toBe(1);
  expect(decoder.frequencyScale?.[63]).toBe(0.25);
  expect(decoder.rotaryScale).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
});

test("YaRN without a factor takes the ratio of the contexts", () => {
  const decoder = decoderWith({ rope_type: "yarn", original_max_position_embeddings: 8192 });
  expect(decoder.contextLength).toBe(32_768);
  expect(decoder.frequencyScale?.at(-1)).toBe(0.25);
});

test("a base of 1 has no frequencies to stretch", () => {
  expect(() => decoderWith({ type: "yarn", factor: 4 }, 1)).toThrow(VlmR1Error);
});

test("an unknown kind of scaling is named with those that are known", () => {
  expect(() => decoderWith({ type: "longrope", factor: 4 })).toThrow(/"longrope" is not supported.*yarn/);
});
