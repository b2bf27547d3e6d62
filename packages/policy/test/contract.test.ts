import { createRng } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import type { NothingUnread, TrainingBatch } from "../src/index.ts";

const batch: TrainingBatch = {
  groups: [],
  totals: { completions: 0, tokens: 0, maxNewTokens: 1 },
  temperature: 1,
  microBatches: 1,
  rng: createRng(0),
};

describe("NothingUnread", () => {
  it("compiles when every field of a batch was taken", () => {
    const { groups, totals, temperature, microBatches, rng, ...unread } = batch;
    unread satisfies NothingUnread;
    expect(unread).toEqual({});
    expect([groups, totals, temperature, microBatches, rng]).toEqual(Object.values(batch));
  });

  it("does not compile when an optional field was forgotten", () => {
    const wider: TrainingBatch & { readonly added?: readonly number[] } = { ...batch, added: [1] };
    const { groups, totals, temperature, microBatches, rng, ...unread } = wider;
    // @ts-expect-error `added` is not read
    unread satisfies NothingUnread;
    expect(unread).toEqual({ added: [1] });
    expect([groups, totals, temperature, microBatches, rng]).toEqual(Object.values(batch));
  });
});
