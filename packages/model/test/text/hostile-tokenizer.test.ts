import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { TEXT_LIMITS } from "../../src/text/limits.ts";
import { createTokenizer } from "../../src/text/tokenizer.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

type Json = Record<string, unknown>;
const sound = readFixture<Json & { model: Json; added_tokens: Json[] }>("tokenizers/qwen/tokenizer.json");

function failure(act: () => unknown): VlmR1Error {
  try {
    act();
  } catch (error) {
    if (VlmR1Error.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const sequence = (list: string, steps: readonly object[]): object => ({ type: "Sequence", [list]: steps });
const doubling = { type: "Replace", pattern: { String: "a" }, content: "aa" };
const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
const many = (step: object, count = 40): object[] => Array.from({ length: count }, () => step);

const hostile: Record<string, Json> = {
  "an id of four thousand million": { model: { ...sound.model, vocab: { a: 0, b: 4_000_000_000 } } },
  "an id that is no number": { model: { ...sound.model, vocab: { a: "0" } } },
  "an added token with such an id": { added_tokens: [{ id: 4_000_000_000, content: "<x>" }] },
  "forty doubling normalizers": { normalizer: sequence("normalizers", many(doubling)) },
  "twenty doubling normalizers": { normalizer: sequence("normalizers", many(doubling, 20)) },
  "doublings in nested sequences": {
    normalizer: sequence("normalizers", many(sequence("normalizers", many(doubling, 5)), 5)),
  },
  "a pattern that matches everywhere": {
    normalizer: { type: "Replace", pattern: { Regex: "" }, content: "x".repeat(1000) },
  },
  "byte levels upon byte levels": { pre_tokenizer: sequence("pretokenizers", many(bytes, 20)) },
  "a doubling decoder": { decoder: sequence("decoders", many(doubling, 20)) },
  "pieces of no length": { pre_tokenizer: { type: "FixedLength", length: 0 } },
};

describe("a hostile tokenizer.json", () => {
  it.each(Object.entries(hostile))("ends with a named error: %s", (_, change) => {
    const error = failure(() => createTokenizer({ ...sound, ...change }, {}));
    expect(error.code).toBe("limit");
    expect(error.message).toMatch(/^tokenizer\.json: /);
  });

  it("is stopped in a regular expression that takes exponential time", () => {
    const pattern = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
    const document = { ...sound, pre_tokenizer: pattern };
    const tokenizer = createTokenizer(document, {}, { ...TEXT_LIMITS, seconds: 0.1 });
    const error = failure(() => tokenizer.encode(`${"a".repeat(60)}b`));
    expect([error.code, error.message]).toEqual(["limit", expect.stringMatching(/tokenizer.*0.1 seconds/)]);
  });

  it("is stopped in such an expression of its decoder", () => {
    const decoder = { type: "Replace", pattern: { Regex: "(a+)+$" }, content: "" };
    const added = [...sound.added_tokens, { id: 999, content: `${"a".repeat(60)}b` }];
    const document = { ...sound, decoder, added_tokens: added };
    const tokenizer = createTokenizer(document, {}, { ...TEXT_LIMITS, seconds: 0.1 });
    expect(failure(() => tokenizer.decode([999])).code).toBe("limit");
  });

  it("may not hide such ids in tokenizer_config.json", () => {
    const config = { added_tokens_decoder: { "999999999": { content: "<x>" } } };
    expect(failure(() => createTokenizer(sound, config)).code).toBe("limit");
  });

  it("is not confused with one of the steps that releases use", () => {
    const normalizer = sequence("normalizers", [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
      { type: "NFKC" },
      { type: "Replace", pattern: { Regex: " {2,}" }, content: "▁" },
    ]);
    expect(createTokenizer({ ...sound, normalizer }, {}).size).toBeGreaterThan(300);
  });
});
