import { expect, test } from "vitest";
import { createRng, VlmR1Error } from "../src/index.ts";
import { naturalLog } from "../src/natural-log.ts";

const draw = <T>(count: number, next: () => T): T[] => Array.from({ length: count }, next);

test("gives the same numbers for the same seed, pinned so that no release changes a run", () => {
  const rng = createRng(42);
  expect(draw(3, () => rng.uniform())).toMatchInlineSnapshot(`
    [
      0.7138547014910728,
      0.6776852589100599,
      0.49597842269577086,
    ]
  `);
  expect(draw(3, () => rng.normal())).toMatchInlineSnapshot(`
    [
      2.7035887479348797,
      0.9368097149282634,
      0.1022681289872806,
    ]
  `);
  const forked = createRng(42).fork("step-3").fork("sampling");
  expect(draw(3, () => forked.integer(1000))).toMatchInlineSnapshot(`
    [
      53,
      970,
      97,
    ]
  `);
});

test("forks depend on the path of labels alone, not on what was drawn", () => {
  const untouched = createRng(7);
  const drawn = createRng(7);
  draw(100, () => drawn.uniform());
  expect(drawn.fork("a").uniform()).toBe(untouched.fork("a").uniform());
});

test("forks with other labels, orders or seeds are other streams", () => {
  const root = createRng(7);
  const streams = [
    root,
    root.fork("a"),
    root.fork("b"),
    root.fork("ab"),
    root.fork("a").fork("b"),
    root.fork("b").fork("a"),
    root.fork("step-1"),
    root.fork("step-10"),
    root.fork(""),
    createRng(8),
    createRng(-7),
    createRng(7 + 2 ** 32),
  ];
  const first = streams.map((rng) => rng.uniform());
  expect(new Set(first).size).toBe(streams.length);
});

test("100,000 forks by number start with different, evenly spread numbers", () => {
  const root = createRng(0);
  const firsts = Array.from({ length: 100_000 }, (_, i) => root.fork(`step-${i}`).uniform());
  expect(new Set(firsts).size).toBeGreaterThan(99_990);
  const mean = firsts.reduce((a, b) => a + b, 0) / firsts.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.004); // four standard errors
});

test("uniform numbers fill [0, 1) evenly", () => {
  const rng = createRng(1);
  const bins = new Array<number>(20).fill(0);
  for (let i = 0; i < 200_000; i++) {
    const value = rng.uniform();
    bins[Math.floor(value * 20)]! += 1; // a number outside [0, 1) would leave a NaN bin behind
  }
  const chiSquare = bins.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
  expect(chiSquare).toBeLessThan(43.8); // 19 degrees of freedom, p = 0.001
});

test("normal numbers have the moments of a standard normal", () => {
  const rng = createRng(2);
  const values = draw(200_000, () => rng.normal());
  const moment = (k: number): number => values.reduce((sum, x) => sum + x ** k, 0) / values.length;
  expect(Math.abs(moment(1))).toBeLessThan(0.01);
  expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
  expect(Math.abs(moment(3))).toBeLessThan(0.04);
  expect(Math.abs(moment(4) - 3)).toBeLessThan(0.1);
});

test("integers are unbiased and shuffles are permutations", () => {
  const rng = createRng(3);
  const counts = [0, 0, 0];
  draw(30_000, () => (counts[rng.integer(3)]! += 1));
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  const items = Array.from({ length: 100 }, (_, i) => i);
  const shuffled = rng.shuffled(items);
  expect(shuffled).not.toEqual(items);
  expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
});

test("its own logarithm agrees with the exact one to the last bits", () => {
  const rng = createRng(4);
  for (let i = 0; i < 20_000; i++) {
    const x = (rng.uniform() + 2 ** -33) * 2 ** (rng.integer(60) - 40);
    const exact = Math.log(x);
    expect(Math.abs(naturalLog(x) - exact)).toBeLessThanOrEqual(4e-16 * Math.max(1, Math.abs(exact)));
  }
});

test("refuses seeds and bounds that would silently be rounded", () => {
  expect(() => createRng(1.5)).toThrow(VlmR1Error);
  expect(() => createRng(2 ** 60)).toThrow("safe integer");
  expect(() => createRng(0).integer(0)).toThrow("1..2^32, got 0");
});
