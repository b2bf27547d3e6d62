import { type Dataset, type Rng, type Sample, VlmR1Error } from "@vlmr1/core";
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

/** One part of a mixture. */
export interface MixPart<Target> {
  readonly dataset: Dataset<Target>;
  /** Its share, relative to the other weights; 0 leaves it out. */
  readonly weight: number;
}

/**
 * Mixes datasets in random order with exact shares: of `length` samples, each part gives its share by weight, rounded.
 *
 * A part that is asked for more samples than it has begins again in a new random order; one asked for fewer gives a random choice.
 * @param length how many samples the mixture has; default: all parts' lengths together.
 * @throws VlmR1Error `invalid-argument` for weights that are negative or all 0, or an empty part with a positive weight.
 */
export function mix<Target>(
  parts: readonly MixPart<Target>[],
  rng: Rng,
  { length = parts.reduce((sum, { dataset }) => sum + dataset.length, 0) }: { readonly length?: number } = {},
): Dataset<Target> {
  checkParts(parts, length);
  const stream = rng.fork("mix");
  const counts = apportion(
    length,
    parts.map(({ weight }) => weight),
  );
  const slots = counts.flatMap((count, part) => new Array<number>(count).fill(part));
  const partOf = stream.fork("order").shuffled(slots);
  const queues = parts.map(({ dataset }, part) =>
    draws(dataset.length, counts[part]!, stream.fork(`part-${part}`)),
  );
  const taken = parts.map(() => 0);
  const indexOf = partOf.map((part) => queues[part]![taken[part]!++]!);
  return {
    length,
    async get(index) {
      checkIndex("mix", index, length);
      return parts[partOf[index]!]!.dataset.get(indexOf[index]!);
    },
  };
}

/** `count` indices below `length`: one random order after another. */
function draws(length: number, count: number, rng: Rng): number[] {
  const drawn: number[] = [];
  for (let round = 0; drawn.length < count; round++) {
    const order = rng.fork(`round-${round}`).shuffled(indices(length));
    for (const index of order.slice(0, count - drawn.length)) drawn.push(index);
  }
  return drawn;
}

function checkParts(parts: readonly MixPart<unknown>[], length: number): void {
  if (!Number.isInteger(length) || length < 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `mix needs a length that is a whole number from 0, got ${length}.`,
    );
  }
  for (const [part, { dataset, weight }] of parts.entries()) {
    if (!Number.isFinite(weight) || weight < 0) {
      throw new VlmR1Error(
        "invalid-argument",
        `mix: the weight of part ${part} must be a finite number from 0, got ${weight}.`,
      );
    }
    if (weight > 0 && dataset.length === 0 && length > 0) {
      throw new VlmR1Error(
        "invalid-argument",
        `mix: part ${part} has weight ${weight} and no samples. Leave it out or give it weight 0.`,
      );
    }
  }
  if (length > 0 && !parts.some(({ weight }) => weight > 0)) {
    throw new VlmR1Error("invalid-argument", "mix needs at least one part with a weight above 0.");
  }
}

export interface StreamOptions {
  /** Index of the first sample, default 0. To go on where a stream was left, pass the last `index` it gave plus 1. */
  readonly start?: number;
  /** How many samples are read and decoded ahead of the one in use, default 4; memory holds about that many images. */
  readonly prefetch?: number;
  /** Called for each sample that cannot be read, which is then left out. Default: the error ends the stream. */
  readonly onBadSample?: (error: VlmR1Error, index: number) => void;
  /** Ends the stream with an error of code `aborted`. */
  readonly signal?: AbortSignal;
}

/** A sample and where in its dataset it stands. */
export interface StreamedSample<Target> {
  readonly index: number;
  readonly sample: Sample<Target>;
}

/**
 * Goes through a dataset in order while the next samples are already being read: `for await (const { index, sample } of stream(data))`.
 *
 * The position is the index, so an epoch that was interrupted goes on at the same sample with `start: index + 1`; shuffle the dataset
 * with the same seed first. `break` ends it; nothing keeps running but the few reads under way.
 * @throws VlmR1Error of a sample that cannot be read; `invalid-argument` for a start outside 0..length.
 */
export async function* stream<Target>(
  dataset: Dataset<Target>,
  { start = 0, prefetch = 4, onBadSample, signal }: StreamOptions = {},
): AsyncGenerator<StreamedSample<Target>, void, undefined> {
  if (!Number.isInteger(start) || start < 0 || start > dataset.length) {
    throw new VlmR1Error(
      "invalid-argument",
      `stream: start must be a whole number in 0..${dataset.length}, got ${start}.`,
    );
  }
  if (!Number.isInteger(prefetch) || prefetch < 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `stream: prefetch must be a whole number from 0, got ${prefetch}.`,
    );
  }
  const ahead: Promise<Sample<Target>>[] = [];
  let next = start;
  for (let index = start; index < dataset.length; index++) {
    while (next < dataset.length && next <= index + prefetch) ahead.push(read(dataset, next++));
    if (signal?.aborted)
      throw new VlmR1Error("aborted", `The stream was stopped before sample ${index}.`, {
        cause: signal.reason,
      });
    let sample: Sample<Target>;
    try {
      sample = await ahead.shift()!;
    } catch (error) {
      if (onBadSample === undefined || !VlmR1Error.is(error)) throw error;
      onBadSample(error, index);
      continue;
    }
    yield { index, sample };
  }
}

function read<Target>(dataset: Dataset<Target>, index: number): Promise<Sample<Target>> {
  const sample = dataset.get(index);
  // Whoever waits for the sample sees its error; when nobody does any more, it must not end the process.
  sample.catch(() => undefined);
  return sample;
}
