import { createRng, type Dataset } from "@vlmr1/core";
import { expect, test } from "vitest";
import { concat, filter, map, mix, shuffled, split, take } from "../../src/index.ts";
import { all, refusal } from "../published.ts";

/** Samples whose targets are the numbers from `first`. */
function numbers(length: number, first = 0): Dataset<number> {
  return {
    length,
    get: (index) =>
      Promise.resolve({ id: `${first + index}`, prompt: "?", images: [], target: first + index }),
  };
}

const targets = async (dataset: Dataset<number>): Promise<number[]> =>
  (await all(dataset)).map(({ target }) => target);
const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const upTo = (length: number): number[] => Array.from({ length }, (_, index) => index);

test("take gives the first samples, or all there are", async () => {
  expect(await targets(take(numbers(5), 2))).toEqual([0, 1]);
  expect(await targets(take(numbers(5), 9))).toEqual([0, 1, 2, 3, 4]);
  expect(take(numbers(5), 0).length).toBe(0);
  expect(await refusal(() => take(numbers(5), -1))).toMatch(/^invalid-argument/);
});

test("shuffled gives every sample once, in an order that depends on the seed alone", async () => {
  const rng = createRng(1);
  rng.uniform();
  const order = await targets(shuffled(numbers(100), rng));
  expect(order).not.toEqual(upTo(100));
  expect(ascending(order)).toEqual(upTo(100));
  expect(await targets(shuffled(numbers(100), createRng(1)))).toEqual(order);
  expect(await targets(shuffled(numbers(100), createRng(2)))).not.toEqual(order);
});

test("map changes samples as they are read, filter keeps those that it should", async () => {
  const doubled = map(numbers(4), (sample, index) => ({
    ...sample,
    target: sample.target * 2 + index * 100,
  }));
  expect(await targets(doubled)).toEqual([0, 102, 204, 306]);
  const even = await filter(numbers(21), async ({ target }) => target % 2 === 0);
  expect(await targets(even)).toEqual(upTo(11).map((half) => 2 * half));
});

test("concat puts datasets one behind the other, empty ones too", async () => {
  expect(await targets(concat(numbers(2), numbers(0), numbers(3, 10), numbers(1, 50)))).toEqual([
    0, 1, 10, 11, 12, 50,
  ]);
  expect(concat<number>().length).toBe(0);
});

test("split gives disjoint parts of exact size, whatever the fractions round to", async () => {
  const parts = split(numbers(10), { train: 0.7, val: 0.2, test: 0.1 }, createRng(3));
  const all3 = await Promise.all([parts.train, parts.val, parts.test].map(targets));
  expect(all3.map(({ length }) => length)).toEqual([7, 2, 1]);
  expect(ascending(all3.flat())).toEqual(upTo(10));
  expect(all3[0]).toEqual(ascending(all3[0]!));
  const thirds = split(numbers(100), { a: 1 / 3, b: 1 / 3, c: 1 / 3 }, createRng(3));
  expect(thirds.a.length + thirds.b.length + thirds.c.length).toBe(100);
  expect(split(numbers(10), { half: 0.5 }, createRng(3)).half.length).toBe(5);
  expect(await targets(split(numbers(10), { train: 0.7, val: 0.2, test: 0.1 }, createRng(3)).val)).toEqual(
    all3[1],
  );
  expect(await refusal(() => split(numbers(10), { a: 0.7, b: 0.4 }, createRng(3)))).toMatch(/at most 1/);
  expect(await refusal(() => split(numbers(10), { a: -0.1 }, createRng(3)))).toMatch(/in 0\.\.1/);
});

test("mix gives each part its share exactly, and spreads it", async () => {
  const parts = [
    { dataset: numbers(1000), weight: 3 },
    { dataset: numbers(10, 5000), weight: 1 },
  ];
  const mixed = await targets(mix(parts, createRng(4), { length: 400 }));
  const small = mixed.filter((target) => target >= 5000);
  expect(mixed.length).toBe(400);
  expect(small.length).toBe(100);
  // 100 draws from 10 samples are ten whole rounds: each ten times.
  expect(upTo(10).map((index) => small.filter((target) => target === 5000 + index).length)).toEqual(
    new Array(10).fill(10),
  );
  expect(new Set(mixed.filter((target) => target < 5000)).size).toBe(300);
  expect(mixed.slice(0, 40).some((target) => target >= 5000)).toBe(true);
  expect(await targets(mix(parts, createRng(4), { length: 400 }))).toEqual(mixed);
  expect(mix(parts, createRng(4)).length).toBe(1010);
});

test("mix refuses weights that cannot be", async () => {
  expect(await refusal(() => mix([{ dataset: numbers(3), weight: -1 }], createRng(1)))).toMatch(
    /weight of part 0/,
  );
  expect(await refusal(() => mix([{ dataset: numbers(3), weight: 0 }], createRng(1)))).toMatch(/above 0/);
  expect(
    await refusal(() =>
      mix(
        [
          { dataset: numbers(0), weight: 1 },
          { dataset: numbers(2), weight: 1 },
        ],
        createRng(1),
      ),
    ),
  ).toMatch(/part 0 has weight 1 and no samples/);
  expect(mix<number>([], createRng(1)).length).toBe(0);
});

test("every view refuses an index outside it", async () => {
  const views = [
    take(numbers(5), 2),
    shuffled(numbers(2), createRng(1)),
    map(numbers(2), (sample) => sample),
    concat(numbers(1), numbers(1)),
    split(numbers(2), { a: 1 }, createRng(1)).a,
    mix([{ dataset: numbers(2), weight: 1 }], createRng(1)),
    await filter(numbers(2), () => true),
  ];
  for (const view of views) {
    for (const index of [-1, 2, 1.5])
      expect(await refusal(() => view.get(index))).toMatch(/^invalid-argument: .*no sample/);
  }
});
