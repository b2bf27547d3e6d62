import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";
import { qwenVlRenames } from "../../src/families/qwen-vision.ts";
import type { StoredTensor } from "../../src/weights/checkpoint.ts";
import { canonicalName, matchTensors, storedName, withStoredHead } from "../../src/weights/names.ts";
import { readFixture } from "../fixtures/read-fixture.ts";
import { variantNames } from "../fixtures/variant.ts";

const tensor = (...shape: number[]): StoredTensor => ({ dtype: "F32", shape });

function architectureOf(variant: string) {
  const config = readFixture<Record<string, unknown>>(`models/${variant}/config.json`);
  const family = familyOf(config, knownFamilies);
  return { config, family, architecture: family.architecture(config) };
}

describe("canonicalName", () => {
  it.each([
    ["visual.blocks.0.attn.qkv.weight", "model.visual.blocks.0.attn.qkv.weight"],
    ["model.layers.3.mlp.up_proj.weight", "model.language_model.layers.3.mlp.up_proj.weight"],
    ["model.visual.merger.ln_q.weight", "model.visual.merger.ln_q.weight"],
    ["model.language_model.norm.weight", "model.language_model.norm.weight"],
    ["lm_head.weight", "lm_head.weight"],
  ])("reads the Qwen-VL name %s as %s", (stored, canonical) => {
    expect(canonicalName(stored, qwenVlRenames)).toBe(canonical);
  });

  it.each(variantNames)("has an inverse for every parameter of %s", (variant) => {
    const { family, architecture } = architectureOf(variant);
    for (const { name } of architecture.tensors) {
      expect(canonicalName(storedName(name, family.renames), family.renames)).toBe(name);
    }
  });
});

describe("matchTensors", () => {
  const specs = [
    { name: "model.a.weight", shape: [2, 3] },
    { name: "model.b.weight", shape: [4] },
  ];
  const stored = new Map([
    ["model.a.weight", tensor(2, 3)],
    ["model.b.weight", tensor(4)],
  ]);

  it("finds every parameter", () => {
    expect([...matchTensors(specs, stored, [])]).toEqual([
      ["model.a.weight", "model.a.weight"],
      ["model.b.weight", "model.b.weight"],
    ]);
  });

  it("names missing and surplus tensors in one error", () => {
    const other = new Map([...stored, ["model.c.weight", tensor(1)]]);
    other.delete("model.a.weight");
    expect(() => matchTensors(specs, other, [])).toThrowError(
      /lacks 1 tensors: "model\.a\.weight"; it has 1 tensors that are not part of the model: "model\.c\.weight"/,
    );
  });

  it("names the tensor of another shape, and both shapes", () => {
    const other = new Map([...stored, ["model.a.weight", tensor(3, 2)]]);
    expect(() => matchTensors(specs, other, [])).toThrowError(/"model\.a\.weight".*\[3, 2\].*\[2, 3\]/);
  });

  it("refuses two tensors that become one parameter", () => {
    const twice = new Map([
      ["visual.x", tensor(1)],
      ["model.visual.x", tensor(1)],
    ]);
    expect(() => matchTensors([{ name: "model.visual.x", shape: [1] }], twice, qwenVlRenames)).toThrowError(
      /stores "model\.visual\.x" twice/,
    );
  });

  it("ignores buffers that old releases stored", () => {
    const more = new Map([...stored, ["model.layers.0.self_attn.rotary_emb.inv_freq", tensor(8)]]);
    expect(matchTensors(specs, more, []).size).toBe(2);
  });

  it("does not list thousands of names", () => {
    const failure = (): unknown =>
      matchTensors(
        Array.from({ length: 5000 }, (_, i) => ({ name: `t${i}`, shape: [1] })),
        stored,
        [],
      );
    expect(failure).toThrowError(/lacks 5000 tensors: "t0", .* and 4992 more/);
  });
});

describe("withStoredHead", () => {
  const tied = architectureOf("qwen2-tied");
  const namesOf = (
    tensors: readonly { name: string; shape: readonly number[] }[],
  ): Map<string, StoredTensor> => new Map(tensors.map(({ name, shape }) => [name, tensor(...shape)]));

  it("unties the head when the file has one", () => {
    const stored = namesOf([...tied.architecture.tensors, { name: "lm_head.weight", shape: [350, 48] }]);
    const resolved = withStoredHead(tied.architecture, tied.config, stored, []);
    expect(resolved.decoder.tiedHead).toBe(false);
    expect(matchTensors(resolved.tensors, stored, []).has("lm_head.weight")).toBe(true);
  });

  it("ties the head when the file has none and the configuration does not object", () => {
    const { tie_word_embeddings: _, ...silent } = tied.config;
    const untied = tied.family.architecture({ ...silent });
    expect(untied.decoder.tiedHead).toBe(false);
    expect(withStoredHead(untied, silent, namesOf(tied.architecture.tensors), []).decoder.tiedHead).toBe(
      true,
    );
  });

  it("reports the missing head of a model that says it has its own", () => {
    const config = { ...tied.config, tie_word_embeddings: false };
    const stored = namesOf(tied.architecture.tensors);
    const resolved = withStoredHead(tied.family.architecture(config), config, stored, []);
    expect(() => matchTensors(resolved.tensors, stored, [])).toThrowError(/"lm_head\.weight"/);
  });
});

describe("familyOf", () => {
  it("names the families it knows when it meets another", () => {
    const failure = (): unknown => familyOf({ model_type: "gpt2" }, knownFamilies);
    expect(failure).toThrowError(/"gpt2".*qwen3_vl, qwen2_5_vl, qwen2_vl, idefics3, smolvlm/);
    expect(() => familyOf([], knownFamilies)).toThrowError(VlmR1Error);
  });
});
