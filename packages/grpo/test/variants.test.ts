import { describe, expect, it } from "vitest";
import { losses } from "../src/loss/losses.ts";
import { optimizers } from "../src/optimizer/optimizers.ts";

describe.each(Object.entries({ ...losses, ...optimizers }))("the variant %s", (name, variant) => {
  it("has defaults or optional members only, each with a description", () => {
    expect(variant.options.safeParse({}).error).toBeUndefined();
    for (const [member, schema] of Object.entries(variant.options.shape)) {
      expect(schema.description, member).toMatch(/^[A-Z].*\.$/);
    }
  });

  it("makes one value per set of options, known by its key", () => {
    const [plain, other] = [variant(), variant({ ...optionOf(name) })];
    expect(plain.key).toContain(variant.variant);
    expect(variant().key).toBe(plain.key);
    expect(other.key).not.toBe(plain.key);
  });

  it("refuses options that it does not have, by name", () => {
    const make: (options: object) => unknown = variant;
    expect(() => make({ frobnicate: 1 })).toThrow(`${variant.variant} is not valid`);
    expect(() => make({ frobnicate: 1 })).toThrow(/frobnicate/);
  });
});

/** An option that the variant has, away from its default. */
function optionOf(name: string): { beta?: number; weightDecay?: number } {
  return name in losses ? { beta: 0.5 } : { weightDecay: 0.5 };
}

it("lists the variants by the names of configurations", () => {
  expect(Object.keys(losses)).toEqual([
    "bnpo",
    "cispo",
    "dapo",
    "dr-grpo",
    "grpo",
    "gspo",
    "luspo",
    "sapo",
    "vespo",
  ]);
  expect(Object.keys(optimizers)).toEqual(["adam", "adamw", "muon", "sgd"]);
  expect(losses["dr-grpo"]({ beta: 0 }).key).toContain("dr-grpo");
});
