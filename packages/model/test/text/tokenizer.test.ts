import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { createTokenizer } from "../../src/text/tokenizer.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

interface TextCase {
  readonly string: string;
  readonly ids: readonly number[];
  readonly text: string;
  readonly text_skip_special: string;
}

const cases = readFixture<Record<string, TextCase[]>>("tokenizers.json.gz");
const load = (name: string) =>
  createTokenizer(readFixture(`tokenizers/${name}/tokenizer.json`), {
    eos_token: "<|im_end|>",
    pad_token: { content: "<|endoftext|>" },
  });

describe.each(Object.keys(cases))("a %s tokenizer", (name) => {
  const tokenizer = load(name);

  it.each(cases[name]!)(
    "encodes and decodes $string as the Python library does",
    ({ string, ids, text, text_skip_special: plain }) => {
      expect(tokenizer.encode(string)).toEqual(ids);
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
      expect(tokenizer.decode(ids)).toBe(plain);
    },
  );

  it("knows its special tokens by name and by id", () => {
    const end = tokenizer.tokenId("<|im_end|>")!;
    expect(tokenizer.token(end)).toBe("<|im_end|>");
    expect(tokenizer.named.get("eos_token")).toBe("<|im_end|>");
    expect(tokenizer.named.get("pad_token")).toBe("<|endoftext|>");
    expect(tokenizer.tokenId("no such token")).toBeUndefined();
  });

  it("skips ids that are outside of its vocabulary: rows of the model that no token uses", () => {
    const [id] = tokenizer.encode("a");
    expect(tokenizer.decode([100_000, id!, tokenizer.size + 5])).toBe("a");
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.decode([100_000])).toBe("");
  });
});

describe("createTokenizer", () => {
  it("knows tokens that only tokenizer_config.json adds", () => {
    const added = {
      "900": {
        content: "<box>",
        special: true,
        lstrip: false,
        rstrip: false,
        normalized: false,
        single_word: false,
      },
    };
    const tokenizer = createTokenizer(readFixture("tokenizers/qwen/tokenizer.json"), {
      added_tokens_decoder: added,
    });
    expect(tokenizer.encode("a<box>")).toEqual([...tokenizer.encode("a"), 900]);
    expect(tokenizer.decode([900], { skipSpecialTokens: false })).toBe("<box>");
    expect(tokenizer.decode([900])).toBe("");
  });

  it.each([
    undefined,
    {},
    [],
    { model: { type: "BPE" } },
    { model: { type: "NoSuchModel", vocab: {} } },
    "text",
  ])("refuses %j with a clear error", (document) => {
    const failure = (): unknown => createTokenizer(document, {});
    expect(failure).toThrowError(/tokenizer\.json/);
    expect(failure).toThrowError(VlmR1Error);
  });
});
