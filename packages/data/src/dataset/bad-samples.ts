import { type Dataset, type ErrorCode, type Sample, VlmR1Error } from "@vlmr1/core";

/** What a loader does with a record or image that it cannot use. */
export interface BadSampleOptions {
  /**
   * `throw` (default): the first bad record or image is an error that says where it is and what is wrong.
   * `skip`: bad records are left out, counted and kept in `skipped`. A sample whose image turns out to be damaged only when it is
   * asked for is replaced by the next good one, and counted too.
   */
  readonly onBadSample?: "throw" | "skip";
}

/** What was left out so far. */
export interface SkippedSamples {
  /** Records and images left out. */
  readonly count: number;
  /** Why: the first 100 errors, in the order in which they were met. */
  readonly errors: readonly VlmR1Error[];
}

/** A dataset read from files, which knows what it left out. */
export interface LoadedDataset<Target> extends Dataset<Target> {
  readonly skipped: SkippedSamples;
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
  /** Counts `error` whatever the option says: for flaws that published files are known to have. */
  leaveOut(error: VlmR1Error): void;
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
  const skipped = { count: 0, errors };
  const leaveOut = (error: VlmR1Error): void => {
    skipped.count++;
    if (errors.length < KEPT_ERRORS) errors.push(error);
  };
  return {
    skipping: onBadSample === "skip",
    skipped,
    note(error) {
      if (onBadSample === "throw" || !VlmR1Error.is(error) || !SKIPPABLE.includes(error.code)) throw error;
      leaveOut(error);
    },
    leaveOut,
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

/** Makes a dataset of samples that are read one by one: checks the index, and keeps what `onBadSample` promises. */
export function loadedDataset<Target>({
  name,
  length,
  log,
  read,
}: LoadedSamples<Target>): LoadedDataset<Target> {
  const bad = new Set<number>();
  return {
    length,
    skipped: log.skipped,
    async get(index) {
      checkIndex(name, index, length);
      for (let step = 0; step < length; step++) {
        const candidate = (index + step) % length;
        if (bad.has(candidate)) continue;
        try {
          return await read(candidate);
        } catch (error) {
          if (bad.has(candidate)) continue; // met at the same time by another call, and counted there
          log.note(error);
          bad.add(candidate);
        }
      }
      throw new VlmR1Error("invalid-data", `${name}: none of its ${length} samples can be read.`, {
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
