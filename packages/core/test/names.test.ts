import { expect, it } from "vitest";
import { kebabCase, matchesPattern } from "../src/names.ts";

it("writes names of code with dashes", () => {
  expect(["groupSize", "kl", "clipFractionHigh", "topK"].map(kebabCase)).toEqual([
    "group-size",
    "kl",
    "clip-fraction-high",
    "top-k",
  ]);
});

it.each([
  ["a.bias", "*.bias", true],
  ["a.bias.b", "*.bias", false],
  ["model.layers.1.mlp.up", "model.layers.*.mlp.*", true],
  ["model.layers.1.attn.up", "model.layers.*.mlp.*", false],
  ["abc", "abc", true],
  ["abcd", "abc", false],
  ["aba", "ab*ba", false],
  ["ab", "ab*", true],
  ["", "*", true],
  ["a.b", "a?b", false],
  ["aXbXc", "a*b*c", true],
])("%s against %s: %s", (name, pattern, expected) => {
  expect(matchesPattern(name, pattern)).toBe(expected);
});

it("takes no exponential time", () => {
  const begin = process.cpuUsage();
  expect(matchesPattern("a".repeat(20_000), `${"*a".repeat(2000)}b`)).toBe(false);
  expect(process.cpuUsage(begin).user / 1e6).toBeLessThan(0.5);
});
