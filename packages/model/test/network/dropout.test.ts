import { createRng } from "@vlmr1/core";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { dropOut } from "../../src/network/linear.ts";

const [rows, columns] = [200, 96];

function mask(seed: number, name: string, rate = 0.1): number[] {
  const rng = createRng(seed);
  const uniforms = (count: number) => tf.tensor1d(Array.from({ length: count }, () => rng.uniform()));
  const noise = { rate, rows: uniforms(rows), columns: uniforms(columns) };
  return Array.from(dropOut(tf.ones([rows, columns]), noise, name).dataSync());
}

const shareOfZeros = (values: readonly number[]): number =>
  values.filter((value) => value === 0).length / values.length;

beforeAll(() => tf.setBackend("cpu"));

describe("dropOut", () => {
  it("zeroes the given share and scales the rest so that the mean stays", () => {
    for (const rate of [0.05, 0.1, 0.5]) {
      const values = mask(1, "layer", rate);
      expect(shareOfZeros(values)).toBeCloseTo(rate, 1.5);
      expect(values.every((value) => value === 0 || Math.abs(value - 1 / (1 - rate)) < 1e-6)).toBe(true);
    }
  });

  it("spreads the zeroes over rows and columns", () => {
    const values = mask(2, "layer");
    const inRow = Array.from({ length: rows }, (_, r) =>
      shareOfZeros(values.slice(r * columns, (r + 1) * columns)),
    );
    const inColumn = Array.from({ length: columns }, (_, c) =>
      shareOfZeros(values.filter((_, i) => i % columns === c)),
    );
    expect(Math.max(...inRow)).toBeLessThan(0.3);
    expect(Math.max(...inColumn)).toBeLessThan(0.3);
  });

  it("drops independently in neighbouring rows, other layers and other steps", () => {
    const first = mask(3, "layer");
    const overlap = (a: readonly number[], b: readonly number[]): number =>
      a.filter((value, i) => value === 0 && b[i] === 0).length / a.length;
    expect(overlap(first, mask(3, "other layer"))).toBeLessThan(0.02);
    expect(overlap(first, mask(4, "layer"))).toBeLessThan(0.02);
    expect(overlap(first.slice(0, -columns), first.slice(columns))).toBeLessThan(0.02);
    expect(mask(3, "layer")).toEqual(first);
  });
});
