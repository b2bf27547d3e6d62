import { describe, expect, it } from "vitest";
import { familyOf, knownFamilies } from "../../src/families/known-families.ts";
import { nano } from "../../src/families/nano.ts";
import { adaptedModules, adapterTensors, DEFAULT_LORA, type LoraConfig } from "../../src/lora/adapter.ts";

const { config } = nano();
const { tensors } = familyOf(config, knownFamilies).architecture(config);
const modules = (change: Partial<LoraConfig>) => adaptedModules(tensors, { ...DEFAULT_LORA, ...change });

describe("adaptedModules", () => {
  it("takes names as PEFT does: the whole name, or its end after a dot", () => {
    expect(modules({ targets: ["q_proj", "v_proj"] })).toHaveLength(6);
    expect(modules({ targets: ["layers.0.self_attn.q_proj"] }).map(({ name }) => name)).toEqual([
      "model.language_model.layers.0.self_attn.q_proj",
    ]);
    expect(() => modules({ targets: ["proj_that_is_not_there"] })).toThrow(/match no linear layer/);
  });

  it("matches a regular expression against the whole name", () => {
    expect(modules({ targets: ".*language_model.*\\.(q_proj|down_proj)" })).toHaveLength(6);
    expect(() => modules({ targets: "q_proj" })).toThrow(/match no linear layer/);
    expect(() => modules({ targets: "(" })).toThrow(/not a regular expression/);
    expect(() => modules({ targets: "a".repeat(3000) })).toThrow(/2000 are allowed/);
  });

  it("stops an expression that would backtrack for years", () => {
    expect(() => modules({ targets: "([a-z._0-9]+)+!" })).toThrow(/took more than 1000 ms/);
    expect(() => modules({ targets: "all-linear", rankPattern: { "([a-z._0-9]+)+!": 4 } })).toThrow(
      /1000 ms/,
    );
  });

  it("takes every linear layer but tables and the head for all-linear", () => {
    const names = modules({ targets: "all-linear" }).map(({ name }) => name);
    expect(names).toHaveLength(3 * 4 + 2 + 3 * 7);
    expect(names.some((name) => /embed|patch/.test(name))).toBe(false);
  });

  it("scales by alpha / r, by alpha / sqrt(r), and by patterns", () => {
    const [plain] = modules({ rank: 4, alpha: 16 });
    const [stable] = modules({ rank: 4, alpha: 16, rankStabilized: true });
    expect([plain?.scaling, stable?.scaling]).toEqual([4, 8]);
    const mixed = modules({ targets: ["q_proj", "k_proj"], rank: 4, alpha: 8, rankPattern: { k_proj: 2 } });
    expect(mixed.map(({ rank, scaling }) => [rank, scaling]).slice(0, 2)).toEqual([
      [4, 2],
      [2, 4],
    ]);
  });

  it("shapes A as [r, in] and B as [out, r]", () => {
    const shapes = adapterTensors(modules({ targets: ["layers.1.mlp.down_proj"], rank: 5 })).map(
      ({ shape }) => shape,
    );
    expect(shapes).toEqual([
      [5, 288],
      [96, 5],
    ]);
  });

  it("refuses a rank below 1 and a dropout of 1", () => {
    expect(() => modules({ rank: 0 })).toThrow(/at least 1/);
    expect(() => modules({ dropout: 1 })).toThrow(/dropout/);
  });
});
