import { VlmR1Error, type Dataset, type Sample } from "@vlmr1/core";

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
