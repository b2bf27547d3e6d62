import * as tf from "@tensorflow/tfjs";
import { createRng } from "@vlmr1/core";
import { describe, expect, test } from "vitest";
import { klDivergence, maskedMean, type KlEstimator } from "../src/loss/terms.ts";
import { distance, fixture } from "./fixture.ts";

interface Case {
  name: KlEstimator;
  per_token: number[][];
  masked_mean: number;
  gradient_of_masked_mean: number[][];
}
const data = fixture<{ logps: number[][]; ref_logps: number[][]; mask: number[][]; cases: Case[] }>(
  "kl_estimators.json",
);

describe("estimates and their gradients equal PyTorch's", () => {
  test.each(data.cases)("$name", (example) => {
    const mask = tf.tensor2d(data.mask);
    const reference = tf.tensor2d(data.ref_logps);
    const kl = (x: tf.Tensor) => klDivergence(x as tf.Tensor2D, reference, example.name);
    const logProbs = tf.tensor2d(data.logps);
    const { value, grad } = tf.valueAndGrad((x) => maskedMean(kl(x), mask))(logProbs);
    expect(distance(kl(logProbs).arraySync(), example.per_token)).toBeLessThan(1e-6);
    expect(distance(value.arraySync(), example.masked_mean)).toBeLessThan(1e-6);
    expect(distance(grad.arraySync(), example.gradient_of_masked_mean)).toBeLessThan(1e-6);
  });
});

test("k2 and k3 are never negative; k1 and k3 average to the true divergence", () => {
  const [p, q] = [
    [0.6, 0.3, 0.1],
    [0.2, 0.5, 0.3],
  ];
  const truth = p.reduce((sum, value, i) => sum + value * Math.log(value / (q[i] as number)), 0);
  const rng = createRng(3);
  const drawn = Array.from({ length: 40_000 }, () => {
    const u = rng.uniform();
    return u < 0.6 ? 0 : u < 0.9 ? 1 : 2;
  });
  const logs = (of: number[]) =>
    tf.tensor2d(
      drawn.map((i) => Math.log(of[i] as number)),
      [1, drawn.length],
    );
  const [k1, k2, k3] = (["k1", "k2", "k3"] as const).map((name) => klDivergence(logs(p), logs(q), name)) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  expect(k2.min().arraySync()).toBeGreaterThanOrEqual(0);
  expect(k3.min().arraySync()).toBeGreaterThanOrEqual(0);
  expect(k1.mean().arraySync()).toBeCloseTo(truth, 1);
  expect(k3.mean().arraySync()).toBeCloseTo(truth, 1);
});
