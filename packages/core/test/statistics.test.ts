import { describe, expect, it } from "vitest";
import { hasZeroVariance, mean, quantile, std } from "../src/statistics.ts";

// Expected values: numpy 2.4.6, e.g. `np.std([1, 2, 4, 8], ddof=1)`.
describe("statistics equal numpy's", () => {
  it("mean", () => {
    expect(mean([1, 2, 4, 8])).toBe(3.75);
    expect(mean(new Float32Array([1, 2]))).toBe(1.5);
    expect(mean([])).toBeNaN();
  });

  it("std, of these values and of what they were drawn from", () => {
    expect(std([1, 2, 4, 8])).toBeCloseTo(2.680951323690902, 14);
    expect(std([1, 2, 4, 8], 1)).toBeCloseTo(3.095695936834452, 14);
    expect(std([5])).toBe(0);
    expect(std([5], 1)).toBeNaN();
    expect(std([])).toBeNaN();
  });

  it("quantile", () => {
    expect([0, 0.25, 0.5, 0.9, 1].map((share) => quantile([1, 2, 4, 8], share))).toEqual([
      1, 1.75, 3, 6.800000000000001, 8,
    ]);
    expect(quantile([3], 0.7)).toBe(3);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("hasZeroVariance", () => {
  it.each([[[0.1 + 0.2, 0.3, 0.3, 0.3]], [[]], [[7]], [[0, 0]], [[-2, -2]], [[1e6, 1e6 + 1e-4]]])(
    "holds for %j",
    (values) => expect(hasZeroVariance(values)).toBe(true),
  );

  it.each([[[0, 1e-6]], [[0.3, 0.3, 0.3001]], [[-1, 1]], [[NaN, 1]]])("does not for %j", (values) =>
    expect(hasZeroVariance(values)).toBe(false),
  );
});
