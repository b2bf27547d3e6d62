import { createRng } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { bootstrapMean } from "../src/statistics.ts";

describe("the bootstrap interval of a mean", () => {
  test("agrees with the normal interval of a proportion", () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i < 300 ? 1 : 0));
    const { mean, low, high } = bootstrapMean(values, { rng: createRng(1), resamples: 4000 });
    const halfWidth = 1.96 * Math.sqrt((0.3 * 0.7) / 1000);
    expect(mean).toBeCloseTo(0.3, 12);
    expect(low).toBeCloseTo(0.3 - halfWidth, 2);
    expect(high).toBeCloseTo(0.3 + halfWidth, 2);
  });
  test("covers the true mean about as often as it says", () => {
    const rng = createRng(2);
    let covered = 0;
    for (let i = 0; i < 300; i++) {
      const values = Array.from({ length: 60 }, () => rng.normal());
      const { low, high } = bootstrapMean(values, { rng: rng.fork(`${i}`), resamples: 300, level: 0.9 });
      if (low <= 0 && high >= 0) covered++;
    }
    expect(covered / 300).toBeGreaterThan(0.83);
    expect(covered / 300).toBeLessThan(0.96);
  });
  test("is repeated by the same seed, widens with the level and has no width for equal values", () => {
    const values = [0.1, 0.5, 0.9, 0.2, 0.7];
    const interval = (level: number): number => {
      const { low, high } = bootstrapMean(values, { rng: createRng(3), level });
      return high - low;
    };
    expect(interval(0.95)).toBe(interval(0.95));
    expect(interval(0.99)).toBeGreaterThan(interval(0.8));
    expect(bootstrapMean([0.3, 0.3], { rng: createRng(1) })).toEqual({ mean: 0.3, low: 0.3, high: 0.3 });
  });
  test("refuses what it cannot resample", () => {
    expect(() => bootstrapMean([], { rng: createRng(1) })).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: A bootstrap needs values, a level in (0, 1) and resamples >= 1, got 0 values, level 0.95, 1000 resamples.]`,
    );
    expect(() => bootstrapMean([1], { rng: createRng(1), level: 95 })).toThrowErrorMatchingInlineSnapshot(
      `[VlmR1Error: A bootstrap needs values, a level in (0, 1) and resamples >= 1, got 1 values, level 95, 1000 resamples.]`,
    );
  });
});
