import { expect, test } from "vitest";
import { fuzz } from "../fuzz/run.ts";

test(
  "100,000 damaged files of every format end in a VlmR1Error or in sound samples",
  { timeout: 7_200_000 },
  async () => {
    const { failures, refused, skipped, loaded } = await fuzz(100_000, 2);
    expect(failures).toEqual([]);
    expect(refused + skipped + loaded).toBe(100_000);
  },
);
