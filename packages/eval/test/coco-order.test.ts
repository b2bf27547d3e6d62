import { createRng } from "@vlmr1/core";
import { expect, test } from "vitest";
import { stableOrderBy, stableOrderByScore } from "../src/coco/layout.ts";

const identity = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => i);

test("ordering by key is stable and equal to a comparison sort", () => {
  const rng = createRng(1);
  const keys = Int32Array.from({ length: 5000 }, () => rng.integer(37));
  const expected = [...identity(5000)].sort((a, b) => (keys[a] as number) - (keys[b] as number));
  expect([...stableOrderBy(keys, 37, identity(5000))]).toEqual(expected);
});

test.each([100, 20_000])("ordering %i scores descends, keeps ties in order and takes -0 for 0", (count) => {
  const rng = createRng(2);
  const special = [0, -0, 1, -1, 5e-324, -5e-324, 1e308, -1e308, 0.5];
  const scores = Float64Array.from({ length: count }, () =>
    rng.uniform() < 0.5
      ? (special[rng.integer(special.length)] as number)
      : rng.normal() * 10 ** (rng.integer(20) - 10),
  );
  const expected = [...identity(count)].sort((a, b) => (scores[b] as number) - (scores[a] as number));
  expect([...stableOrderByScore(scores, identity(count))]).toEqual(expected);
});
