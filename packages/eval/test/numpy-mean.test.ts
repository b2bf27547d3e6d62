import { createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import { numpyMean } from "../src/coco/curves.ts";

test("adds in numpy's order: values whose sum depends on the order give numpy's last bit", () => {
  // numpy 2.4.6: i = np.arange(n).astype(float); x = 0.1 * i * np.sqrt(i); repr(x.mean())
  const mean = (count: number): number =>
    numpyMean(Float64Array.from({ length: count }, (_, i) => 0.1 * i * Math.sqrt(i)));
  expect([5, 100, 1000, 12_345].map(mean)).toEqual([
    0.34049159094905646, 39.501224515318945, 1263.3303179734567, 54859.60252210728,
  ]);
});

test("is within rounding of the plain mean", () => {
  const rng = createRng(4);
  const values = Float64Array.from({ length: 1001 }, () => rng.uniform());
  expect(numpyMean(values)).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / 1001, 13);
});
