import { readFileSync } from "node:fs";
import { createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import { levenshteinRatio } from "../../src/index.ts";

const golden = JSON.parse(
  readFileSync(new URL("../fixtures/levenshtein_ratio.json", import.meta.url), "utf8"),
) as {
  a: string;
  b: string;
  ratio: number;
}[];

test("equals python-Levenshtein", () => {
  expect(golden.length).toBeGreaterThan(20);
  for (const { a, b, ratio } of golden) expect(levenshteinRatio(a, b)).toBeCloseTo(ratio, 12);
});

test("equals the textbook recurrence on random texts, also beyond 32 and 64 characters", () => {
  const rng = createRng(5);
  for (let i = 0; i < 300; i++) {
    const text = (): string =>
      Array.from({ length: rng.integer(90) }, () => "abcd😀"[rng.integer(5)]).join("");
    const [a, b] = [text(), text()];
    expect(levenshteinRatio(a, b)).toBeCloseTo(textbookRatio(Array.from(a), Array.from(b)), 12);
  }
});

function textbookRatio(a: readonly string[], b: readonly string[]): number {
  if (a.length + b.length === 0) return 1;
  let previous = new Array<number>(b.length + 1).fill(0);
  for (const left of a) {
    const row = [0];
    b.forEach((right, j) => {
      const [up, diagonal, before] = [previous[j + 1] as number, previous[j] as number, row[j] as number];
      row.push(left === right ? diagonal + 1 : Math.max(up, before));
    });
    previous = row;
  }
  return (2 * (previous[b.length] as number)) / (a.length + b.length);
}
