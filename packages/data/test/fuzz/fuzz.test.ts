import { expect, test } from "vitest";
import { fuzz } from "./run.ts";

// The full run, 100,000 files, is test/soak/fuzz.test.ts (`pnpm --filter @vlmr1/data test:soak`).
test(
  "200 damaged files of every format end in a VlmR1Error or in sound samples",
  { timeout: 240_000 },
  async () => {
    const { failures, refused, skipped, loaded } = await fuzz(200, 1);
    expect(failures).toEqual([]);
    expect(refused + skipped + loaded).toBe(200);
    expect(refused).toBeGreaterThan(60); // or the damage does not reach the loaders
  },
);

test("cases that the full run once failed: a parquet footer without the path of a column", async () => {
  const { failures, refused, skipped, loaded } = await fuzz([7155, 28_902, 61_643], 2);
  expect(failures).toEqual([]);
  expect(refused + skipped + loaded).toBe(3);
});
