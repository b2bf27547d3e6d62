import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createPythonRandom, VlmR1Error } from "../src/index.ts";

interface Case {
  seed: number;
  random: number[];
  getrandbits: [number, number][];
  randrange: [number, number][];
  shuffle50: number[];
  sample: [number, number, number[]][];
  choice: number[];
}
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), "utf8"));
const cases = read("python-random") as Case[];
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test.each(cases)("draws CPython's numbers for seed $seed", (expected) => {
  const random = createPythonRandom(expected.seed);
  expect(expected.random.map(() => random.random())).toEqual(expected.random);
  expect(expected.getrandbits.map(([k]) => [k, random.getrandbits(k)])).toEqual(expected.getrandbits);
  expect(expected.randrange.map(([n]) => [n, random.randrange(n)])).toEqual(expected.randrange);
  expect(random.shuffled(range(50))).toEqual(expected.shuffle50);
  expect(expected.sample.map(([n, k]) => [n, k, random.sample(range(n), k)])).toEqual(expected.sample);
  expect(expected.choice.map(() => random.choice(range(17)))).toEqual(expected.choice);
});

test.each(Object.entries(read("python-shuffle-seed42") as Record<string, number[]>))(
  "shuffles %s indices with seed 42 as published evaluations do",
  (n, first) => {
    expect(
      createPythonRandom(42)
        .shuffled(range(Number(n)))
        .slice(0, first.length),
    ).toEqual(first);
  },
);

test("refuses seeds, bits and samples that CPython would read differently", () => {
  expect(() => createPythonRandom(0.5)).toThrow(VlmR1Error);
  const random = createPythonRandom(1);
  expect(() => random.getrandbits(54)).toThrow("k in 1..53, got 54");
  expect(() => random.randrange(0)).toThrow("positive integer, got 0");
  expect(() => random.sample([1, 2], 3)).toThrow("k in 0..2, got 3");
});
