import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";
import { readGenerationConfig } from "../../src/generate/sampling.ts";
import { readFixture } from "../fixtures/read-fixture.ts";
import { variantNames } from "../fixtures/variant.ts";

/** What a damaged or hostile file could hold in the place of a field. */
const VALUES: readonly unknown[] = [
  null,
  undefined,
  -1,
  0,
  1,
  3,
  1.5,
  1e9,
  1e308,
  "x",
  true,
  [],
  {},
  [1, 2, 3],
  [-1],
];

type Json = Record<string, unknown>;

/** Copies of `document` in which one field, at any depth, is replaced; with the path of that field. */
function* damaged(document: Json, path: readonly string[] = []): Generator<{ where: string; copy: Json }> {
  for (const [key, value] of Object.entries(document)) {
    for (const other of VALUES)
      yield {
        where: `${[...path, key].join(".")} = ${JSON.stringify(other)}`,
        copy: { ...document, [key]: other },
      };
    if (typeof value !== "object" || value === null || Array.isArray(value)) continue;
    for (const inner of damaged(value as Json, [...path, key]))
      yield { where: inner.where, copy: { ...document, [key]: inner.copy } };
  }
}

/** Fields whose damage is answered by something else than success or a VlmR1Error. */
function crashes(document: Json, use: (copy: Json) => void): string[] {
  const found: string[] = [];
  for (const { where, copy } of damaged(document)) {
    try {
      use(copy);
    } catch (error) {
      if (!VlmR1Error.is(error)) found.push(`${where}: ${String(error)}`);
    }
  }
  return found;
}

describe.each(variantNames)("the files of %s with one field damaged", (name) => {
  const config = readFixture<Json>(`models/${name}/config.json`);
  const family = familyOf(config, knownFamilies);

  it("make an architecture or a VlmR1Error: config.json", () => {
    expect(crashes(config, (copy) => familyOf(copy, knownFamilies).architecture(copy))).toEqual([]);
  });

  it("make a processor or a VlmR1Error: image settings", () => {
    const settings = {
      size: { longest_edge: 64, shortest_edge: 32 },
      max_image_size: {
        longest_edge: (config["vision_config"] as { image_size?: number } | undefined)?.image_size ?? 48,
      },
      min_pixels: 9,
      max_pixels: 99,
      image_mean: [0, 0, 0],
      image_std: [1, 1, 1],
      resample: 3,
      rescale_factor: 0.1,
      do_resize: true,
      do_image_splitting: true,
    };
    const use = (copy: Json): void => {
      const processor = family.processor?.(config, copy, {});
      for (const size of [
        { width: 30, height: 20 },
        { width: 1, height: 1 },
        { width: 4000, height: 30 },
      ])
        processor?.layout(size);
    };
    expect(crashes(settings, use)).toEqual([]);
  });
});

describe("generation_config.json with one field damaged", () => {
  it("gives settings or a VlmR1Error", () => {
    const file = {
      eos_token_id: [1, 2],
      pad_token_id: 0,
      do_sample: true,
      temperature: 1,
      top_k: 5,
      top_p: 0.5,
      min_p: 0,
      repetition_penalty: 1,
      max_new_tokens: 4,
    };
    expect(crashes(file, (copy) => void readGenerationConfig(copy, {}, undefined))).toEqual([]);
    expect(
      crashes(
        { eos_token_id: 1, text_config: { eos_token_id: 2 } },
        (copy) => void readGenerationConfig({}, copy, 3),
      ),
    ).toEqual([]);
  });
});
