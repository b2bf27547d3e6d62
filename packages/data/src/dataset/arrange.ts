import { VlmR1Error, type Dataset, type Rng, type Sample } from "@vlmr1/core";
import { checkIndex } from "./bad-samples.ts";

/** The first `count` samples, or all when there are fewer. @throws VlmR1Error `invalid-argument` for a negative count. */
export function take<Target>(dataset: Dataset<Target>, count: number): Dataset<Target> {
  if (!Number.isInteger(count) || count < 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `take(dataset, count) needs a whole number of samples from 0, got ${count}.`,
    );
  }
  return select(dataset, (index) => index, Math.min(count, dataset.length), "take");
}

/** The same samples in random order. The order is drawn from a fork, so that it depends on nothing else that uses `rng`. */
export function shuffled<Target>(dataset: Dataset<Target>, rng: Rng): Dataset<Target> {
  const order = rng.fork("shuffled").shuffled(indices(dataset.length));
  return select(dataset, (index) => order[index]!, dataset.length, "shuffled");
}

/** Changes each sample when it is asked for. `change` sees the sample and its index, and must not change the sample in place. */
export function map<From, To>(
  dataset: Dataset<From>,
  change: (sample: Sample<From>, index: number) => Sample<To> | Promise<Sample<To>>,
): Dataset<To> {
  return {
    length: dataset.length,
    async get(index) {
      checkIndex("map", index, dataset.length);
      return change(await dataset.get(index), index);
    },
  };
}

/**
 * The samples for which `keep` is true. Every sample is read once to find out, eight at a time, and read again when it is asked for.
 */
export async function filter<Target>(
  dataset: Dataset<Target>,
  keep: (sample: Sample<Target>, index: number) => boolean | Promise<boolean>,
): Promise<Dataset<Target>> {
  const kept: number[] = [];
  const atOnce = 8;
  for (let start = 0; start < dataset.length; start += atOnce) {
    const group = indices(Math.min(atOnce, dataset.length - start)).map((offset) => start + offset);
    const answers = await Promise.all(group.map(async (index) => keep(await dataset.get(index), index)));
    group.forEach((index, position) => answers[position] && kept.push(index));
  }
  return select(dataset, (index) => kept[index]!, kept.length, "filter");
}

/** All samples of the first dataset, then all of the second, and so on. */
export function concat<Target>(...datasets: readonly Dataset<Target>[]): Dataset<Target> {
  const ends: number[] = [];
  let length = 0;
  for (const dataset of datasets) ends.push((length += dataset.length));
  return {
    length,
    async get(index) {
      checkIndex("concat", index, length);
      const part = ends.findIndex((end) => index < end);
      return datasets[part]!.get(index - (part === 0 ? 0 : ends[part - 1]!));
    },
  };
}

/**
 * Splits a dataset at random into disjoint parts, by fractions that add up to at most 1: `split(data, { train: 0.9, val: 0.1 }, rng)`.
 * When they add up to 1, every sample is in one part. Each part keeps the dataset's order.
 * @throws VlmR1Error `invalid-argument` for fractions outside 0..1 or that add up to more than 1.
 */
export function split<Target, Name extends string>(
  dataset: Dataset<Target>,
  fractions: Readonly<Record<Name, number>>,
  rng: Rng,
): Record<Name, Dataset<Target>> {
  const names = Object.keys(fractions) as Name[];
  const shares = names.map((name) => fractions[name]);
  const sum = shares.reduce((total, share) => total + share, 0);
  if (!shares.every((share) => share >= 0 && share <= 1) || !(sum <= 1 + 1e-9)) {
    throw new VlmR1Error(
      "invalid-argument",
      `split needs fractions in 0..1 that add up to at most 1, got ${JSON.stringify(fractions)}.`,
    );
  }
  const order = rng.fork("split").shuffled(indices(dataset.length));
  const counts = apportion(dataset.length, [...shares, Math.max(0, 1 - sum)]);
  let start = 0;
  const parts = names.map((name, part) => {
    const chosen = order.slice(start, (start += counts[part]!)).sort((a, b) => a - b);
    return [name, select(dataset, (index) => chosen[index]!, chosen.length, `split "${name}"`)] as const;
  });
  return Object.fromEntries(parts) as Record<Name, Dataset<Target>>;
}

/** A view of `length` samples of a dataset, each named by its index there. */
export function select<Target>(
  dataset: Dataset<Target>,
  source: (index: number) => number,
  length: number,
  name: string,
): Dataset<Target> {
  return {
    length,
    async get(index) {
      checkIndex(name, index, length);
      return dataset.get(source(index));
    },
  };
}

/** Divides `total` whole things by weights, largest remainders first, so that the parts add up and no share is off by one or more. */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const exact = weights.map((weight) => (sum > 0 ? (total * weight) / sum : 0));
  // A share that is whole but for rounding (0.1 * 30 = 3.0000000000000004) counts as whole.
  const parts = exact.map((share) => Math.floor(share + 1e-9));
  const byRemainder = exact.map((share, part) => ({ part, remainder: share - parts[part]! }));
  byRemainder.sort((a, b) => b.remainder - a.remainder || a.part - b.part);
  let rest = sum > 0 ? total - parts.reduce((all, count) => all + count, 0) : 0;
  for (const { part } of byRemainder) {
    if (rest === 0 || weights[part] === 0) continue;
    parts[part]!++;
    rest--;
  }
  return parts;
}

/** 0, 1, …, length - 1. */
export function indices(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
