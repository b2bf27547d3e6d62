import { type Dataset, type ErrorCode, type Sample, VlmR1Error } from "@vlmr1/core";
import type { Mention } from "@vlmr1/core/files";
import type { LoadImageOptions } from "../images/load-image.ts";

/** What every loader of files takes. */
export interface LoaderOptions extends LoadImageOptions {
  /**
   * `throw` (default): the first bad record met while loading is an error that says where it is and what is wrong.
   * `skip`: bad records, and records whose images are not there, are left out, counted and kept in `skipped`.
   *
   * Whichever it is, a sample whose image turns out to be damaged when it is asked for is an error then: an evaluation
   * that silently measured its neighbour would be wrong. Training goes on with {@link withSubstitutes}.
   */
  readonly onBadSample?: "throw" | "skip";
}

/** What was left out so far. */
export interface SkippedSamples {
  /** Records and images left out. */
  readonly count: number;
  /** How many of them are flaws that published files are known to have (COCO's boxes without area, ReasonSeg's empty files). */
  readonly known: number;
  /** Why: the first 100 errors, in the order in which they were met. */
  readonly errors: readonly VlmR1Error[];
}

/** A dataset read from files, which knows what it left out and what it doubts. */
export interface LoadedDataset<Target> extends Dataset<Target> {
  readonly skipped: SkippedSamples;
  /** What may be wrong, in a sentence each: fractions read as pixels, ids that several records share. */
  readonly warnings: readonly string[];
}

const KEPT_ERRORS = 100;

/** Errors that are about the user's data, and so may be skipped; any other is a mistake of the caller or of this program. */
const SKIPPABLE: readonly ErrorCode[] = ["invalid-data", "not-found", "limit", "unsupported"];

/** Collects what is skipped. */
export interface SkipLog {
  readonly skipping: boolean;
  readonly skipped: SkippedSamples;
  /** Counts `error`, or throws it when nothing is to be skipped or it is not about data. */
  note(error: unknown): void;
  /** Counts `error` as a flaw that published files are known to have, whatever the option says. */
  leaveOut(error: VlmR1Error): void;
  readonly warnings: readonly string[];
  /** Notes what may be wrong at a place; those of one kind become one warning with their number. */
  doubt(kind: string, mention: Mention): void;
}

/** Makes an empty log for the option `onBadSample`. */
export function createSkipLog(onBadSample: "throw" | "skip" = "throw"): SkipLog {
  if (onBadSample !== "throw" && onBadSample !== "skip") {
    throw new VlmR1Error(
      "invalid-argument",
      `onBadSample must be "throw" or "skip", got ${JSON.stringify(onBadSample)}.`,
    );
  }
  const errors: VlmR1Error[] = [];
  const skipped = { count: 0, known: 0, errors };
  const doubts = new Map<string, { readonly first: Mention; count: number }>();
  const count = (error: VlmR1Error): void => {
    skipped.count++;
    if (errors.length < KEPT_ERRORS) errors.push(error);
  };
  return {
    skipping: onBadSample === "skip",
    skipped,
    note(error) {
      if (onBadSample === "throw" || !VlmR1Error.is(error) || !SKIPPABLE.includes(error.code)) throw error;
      count(error);
    },
    leaveOut(error) {
      count(error);
      skipped.known++;
    },
    get warnings() {
      return Array.from(doubts, ([kind, { first, count }]) => {
        const more = count === 1 ? "" : ` and ${count - 1} more`;
        return `${first.file}, ${first.place}${more}: ${kind}.`;
      });
    },
    doubt(kind, first) {
      const known = doubts.get(kind);
      if (known) known.count++;
      else doubts.set(kind, { first, count: 1 });
    },
  };
}

interface LoadedSamples<Target> {
  /** Names the dataset in errors. */
  readonly name: string;
  readonly length: number;
  readonly log: SkipLog;
  /** Reads sample `index`, which is in range. */
  read(index: number): Promise<Sample<Target>>;
}

/** Makes a dataset of samples that are read one by one. */
export function loadedDataset<Target>({
  name,
  length,
  log,
  read,
}: LoadedSamples<Target>): LoadedDataset<Target> {
  return {
    length,
    skipped: log.skipped,
    get warnings() {
      return log.warnings;
    },
    async get(index) {
      checkIndex(name, index, length);
      return read(index);
    },
  };
}

/** How bad samples are replaced while training. */
export interface SubstituteOptions<Target> {
  /** Looks at a sample that was read; throws what a model cannot use, with the reason. */
  readonly check?: (sample: Sample<Target>) => void | Promise<void>;
  /** Called once for each bad sample, with its index. */
  readonly onBadSample?: (error: VlmR1Error, index: number) => void;
}

/**
 * For training only: a sample that cannot be read, or that `check` refuses, is replaced by the next good one, named to
 * `onBadSample` and counted in `skipped`. The same index always gives the same sample. Evaluations leave bad samples
 * out instead, since a neighbour counted twice is a wrong number.
 *
 * @throws VlmR1Error `invalid-data` (its `get` does) when no sample is good; other errors as they come.
 */
export function withSubstitutes<Target>(
  dataset: Dataset<Target> & Partial<Pick<LoadedDataset<Target>, "skipped" | "warnings">>,
  { check, onBadSample }: SubstituteOptions<Target> = {},
): LoadedDataset<Target> {
  const { length } = dataset;
  const log = createSkipLog("skip");
  const bad = new Set<number>();
  return {
    length,
    get skipped() {
      const before = dataset.skipped ?? { count: 0, known: 0, errors: [] };
      const errors = [...before.errors, ...log.skipped.errors].slice(0, KEPT_ERRORS);
      return { count: before.count + log.skipped.count, known: before.known, errors };
    },
    get warnings() {
      return dataset.warnings ?? [];
    },
    async get(index) {
      checkIndex("withSubstitutes", index, length);
      for (let step = 0; step < length; step++) {
        const candidate = (index + step) % length;
        if (bad.has(candidate)) continue;
        try {
          const sample = await dataset.get(candidate);
          await check?.(sample);
          return sample;
        } catch (error) {
          if (bad.has(candidate)) continue; // met at the same time by another call, and counted there
          log.note(error);
          bad.add(candidate);
          onBadSample?.(error as VlmR1Error, candidate);
        }
      }
      throw new VlmR1Error("invalid-data", `None of the ${length} samples can be used for training.`, {
        cause: log.skipped.errors[0],
      });
    },
  };
}

/** @throws VlmR1Error `invalid-argument` unless `index` is a whole number in 0..length-1. */
export function checkIndex(name: string, index: number, length: number): void {
  if (Number.isInteger(index) && index >= 0 && index < length) return;
  const range = length === 0 ? "the dataset is empty" : `it must be a whole number in 0..${length - 1}`;
  throw new VlmR1Error("invalid-argument", `${name}: there is no sample ${index}; ${range}.`);
}
