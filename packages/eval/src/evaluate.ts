import {
  type Completion,
  type CompletionModel,
  type Dataset,
  type RewardFunction,
  type Rng,
  type Sample,
  VlmR1Error,
} from "@vlmr1/core";
import { bootstrapMean, type BootstrapOptions, breakDown, type MeanInterval, passAtK } from "./statistics.ts";

/** What to evaluate, on what, by what. */
export interface EvaluateOptions<Target> {
  readonly model: CompletionModel;
  readonly dataset: Dataset<Target>;
  /** Rewards by the names they have in the report: a metric is a reward, averaged. */
  readonly metrics: Readonly<Record<string, RewardFunction<NoInfer<Target>>>>;
  /** Where sampling and bootstrap draw from. */
  readonly rng: Rng;
  /** Samples that the model answers in one call. Default 8. */
  readonly batchSize?: number;
  /** Completions per sample; a sample's score is their mean. Default 1. */
  readonly completions?: number;
  /** Default 0: greedy decoding, as published evaluations do. */
  readonly temperature?: number;
  /** Default: the model's own. */
  readonly maxNewTokens?: number;
  /** Resamples of the bootstrap. Default 1000. */
  readonly resamples?: number;
  /** Share of resampled means inside the interval. Default 0.95. */
  readonly level?: number;
  /**
   * What to do about a sample that cannot be read, or that the model cannot take (a picture too narrow, a prompt over
   * the context). `throw` (default): it ends the evaluation. `skip`: it is left out of every number, counted and named
   * in the report's `leftOut`. It is never replaced by another.
   */
  readonly onBadSample?: "throw" | "skip";
  readonly signal?: AbortSignal;
  /** Called with each row as soon as it is scored. */
  readonly onRow?: (row: EvaluationRow) => void;
}

/** One completion and what each metric gave it. */
export interface ScoredCompletion {
  readonly text: string;
  readonly tokens: number;
  readonly finishReason: Completion["finishReason"];
  readonly scores: Readonly<Record<string, number>>;
}

/** One sample of an evaluation. */
export interface EvaluationRow {
  /** Index in the dataset. */
  readonly index: number;
  readonly id: string;
  readonly group?: string;
  readonly prompt: string;
  readonly completions: readonly ScoredCompletion[];
  /** Each metric, averaged over the completions. */
  readonly scores: Readonly<Record<string, number>>;
}

/** A sample that was left out, and why. */
export interface LeftOutSample {
  /** Index in the dataset. */
  readonly index: number;
  /** Its id, when it could be read. */
  readonly id?: string;
  readonly problem: string;
}

/** The share of samples that at least one of k completions gets right. */
export interface PassAt extends MeanInterval {
  readonly k: number;
}

/** The outcome of {@link evaluate}. */
export interface EvaluationReport {
  /** Samples that the numbers are about. */
  readonly samples: number;
  /** Samples that are in none of the numbers; empty unless bad samples were to be skipped. */
  readonly leftOut: readonly LeftOutSample[];
  /** The share of resampled means inside the intervals. */
  readonly level: number;
  /** Completions of each sample; a total is the mean over them (mean@k). */
  readonly completions: number;
  /** Each metric over all samples. */
  readonly totals: Readonly<Record<string, MeanInterval>>;
  /**
   * pass@k of each metric whose scores are all 0 or 1, for k = 1, 2, 4, … and all completions; empty for one completion
   * a sample.
   */
  readonly passAt: Readonly<Record<string, readonly PassAt[]>>;
  /** The same per group of samples, in order of first appearance; empty when samples have no group. */
  readonly groups: readonly {
    readonly group: string;
    readonly samples: number;
    readonly totals: Readonly<Record<string, MeanInterval>>;
  }[];
  /** One per sample, in the order of the dataset. */
  readonly rows: readonly EvaluationRow[];
}

/**
 * Runs a model over a dataset and scores what it writes: each metric's mean with a bootstrap interval (95 % by
 * default), for the whole set and per group.
 *
 * The same model, dataset, options and `rng` seed give the same report.
 *
 * @throws VlmR1Error `invalid-argument` for options or a model that breaks its contract, `reward-failed` naming
 * metric and sample when a metric throws or is not finite, `aborted` when the signal fires.
 */
export async function evaluate<Target>(options: EvaluateOptions<Target>): Promise<EvaluationReport> {
  const { dataset, rng, batchSize = 8, level = 0.95, resamples = 1000 } = options;
  if (dataset.length === 0) throw invalid("The dataset is empty: there is nothing to evaluate.");
  if (!(Number.isInteger(batchSize) && batchSize > 0)) {
    throw invalid(`batchSize must be a whole number of samples >= 1, got ${batchSize}.`);
  }
  const rows: EvaluationRow[] = [];
  const leftOut: LeftOutSample[] = [];
  for (let start = 0; start < dataset.length; start += batchSize) {
    if (options.signal?.aborted) {
      throw new VlmR1Error(
        "aborted",
        `The evaluation was stopped after ${rows.length} of ${dataset.length} samples.`,
      );
    }
    const count = Math.min(batchSize, dataset.length - start);
    for (const row of await evaluateBatch(options, start, count, leftOut)) {
      rows.push(row);
      options.onRow?.(row);
    }
  }
  if (rows.length === 0) {
    throw new VlmR1Error(
      "invalid-data",
      `None of the ${dataset.length} samples can be used: ${leftOut[0]?.problem}`,
    );
  }
  const names = Object.keys(options.metrics);
  const totalsOf = (members: readonly EvaluationRow[], label: string): Record<string, MeanInterval> =>
    Object.fromEntries(
      names.map((name) => {
        const values = members.map((row) => row.scores[name] as number);
        const draws = rng.fork("bootstrap").fork(label).fork(name);
        return [name, bootstrapMean(values, { rng: draws, resamples, level })];
      }),
    );
  const groups = breakDown(
    rows,
    (row) => row.group,
    (members) => totalsOf(members, `group ${members[0]?.group}`),
  );
  return {
    samples: rows.length,
    leftOut,
    completions: options.completions ?? 1,
    passAt: passAtOf(rows, names, { rng: rng.fork("bootstrap").fork("pass@k"), resamples, level }),
    level,
    totals: totalsOf(rows, "all"),
    groups: groups.map(({ group, count, value }) => ({ group, samples: count, totals: value })),
    rows,
  };
}

function passAtOf(
  rows: readonly EvaluationRow[],
  names: readonly string[],
  { rng, ...options }: BootstrapOptions,
): Record<string, PassAt[]> {
  const total = rows[0]?.completions.length ?? 0;
  if (total < 2) return {};
  const ks = [1, 2, 4, 8, 16, 32, 64, 128, 256].filter((k) => k < total);
  const entries = names.flatMap((name): [string, PassAt[]][] => {
    const right = rows.map(
      ({ completions }) => completions.filter(({ scores }) => scores[name] === 1).length,
    );
    const isBinary = rows.every(({ completions }) =>
      completions.every(({ scores }) => scores[name] === 0 || scores[name] === 1),
    );
    if (!isBinary) return [];
    const at = (k: number): PassAt => {
      const values = right.map((count) => passAtK(count, total, k));
      return { k, ...bootstrapMean(values, { rng: rng.fork(name).fork(`${k}`), ...options }) };
    };
    return [[name, [...ks, total].map(at)]];
  });
  return Object.fromEntries(entries);
}

/** A sample and where in the dataset it stands. */
interface PlacedSample<Target> {
  readonly index: number;
  readonly sample: Sample<Target>;
}

async function evaluateBatch<Target>(
  options: EvaluateOptions<Target>,
  start: number,
  count: number,
  leftOut: LeftOutSample[],
): Promise<EvaluationRow[]> {
  const { dataset, onBadSample = "throw" } = options;
  const leave = (error: unknown, index: number, id?: string): void => {
    if (onBadSample === "throw" || !isAboutData(error)) throw error;
    leftOut.push({ index, ...(id !== undefined && { id }), problem: error.message });
  };
  const read = Array.from({ length: count }, async (_, i): Promise<PlacedSample<Target>[]> => {
    try {
      return [{ index: start + i, sample: await dataset.get(start + i) }];
    } catch (error) {
      leave(error, start + i);
      return [];
    }
  });
  const batch = (await Promise.all(read)).flat();
  if (batch.length === 0) return [];
  try {
    return await completeAndScore(options, batch, `${start}`);
  } catch (error) {
    if (onBadSample === "throw" || !isAboutData(error)) throw error;
  }
  // One sample spoiled the batch for all: each is tried alone.
  const rows: EvaluationRow[] = [];
  for (const placed of batch) {
    try {
      rows.push(...(await completeAndScore(options, [placed], `${start} alone ${placed.index}`)));
    } catch (error) {
      leave(error, placed.index, placed.sample.id);
    }
  }
  return rows;
}

/** Whether an error says that a sample is bad, and not the program or its options. */
function isAboutData(error: unknown): error is VlmR1Error {
  return (["invalid-data", "not-found", "limit", "unsupported"] as const).some((code) =>
    VlmR1Error.is(error, code),
  );
}

async function completeAndScore<Target>(
  options: EvaluateOptions<Target>,
  batch: readonly PlacedSample<Target>[],
  stream: string,
): Promise<EvaluationRow[]> {
  const { model, rng, completions = 1, temperature = 0, maxNewTokens, signal } = options;
  const groups = await model.complete(
    batch.map(({ sample }) => sample),
    {
      count: completions,
      rng: rng.fork("sampling").fork(stream),
      temperature,
      ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
      ...(signal ? { signal } : {}),
    },
  );
  if (groups.length !== batch.length || groups.some((group) => group.length !== completions)) {
    throw invalid(
      `The model must return ${batch.length} groups of ${completions} completions, got groups of [${groups.map((group) => group.length).join(", ")}].`,
    );
  }
  return Promise.all(
    batch.map(({ sample, index }, i) =>
      scoreSample(options, sample, index, groups[i] as readonly Completion[]),
    ),
  );
}

async function scoreSample<Target>(
  { metrics }: EvaluateOptions<Target>,
  sample: Sample<Target>,
  index: number,
  group: readonly Completion[],
): Promise<EvaluationRow> {
  const completions = await Promise.all(
    group.map(async (completion): Promise<ScoredCompletion> => {
      const scores: Record<string, number> = {};
      for (const [name, metric] of Object.entries(metrics)) {
        scores[name] = await scoreCompletion(name, metric, sample, completion);
      }
      const { text, tokenIds, finishReason } = completion;
      return { text, tokens: tokenIds.length, finishReason, scores };
    }),
  );
  const means = Object.keys(metrics).map((name) => {
    const sum = completions.reduce((total, { scores }) => total + (scores[name] as number), 0);
    return [name, sum / completions.length] as const;
  });
  return {
    index,
    id: sample.id,
    ...(sample.group === undefined ? {} : { group: sample.group }),
    prompt: sample.prompt,
    completions,
    scores: Object.fromEntries(means),
  };
}

async function scoreCompletion<Target>(
  name: string,
  metric: RewardFunction<Target>,
  sample: Sample<Target>,
  { text, tokenIds, finishReason }: Completion,
): Promise<number> {
  let score: number;
  try {
    score = await metric({
      completion: text,
      sample,
      tokenCount: tokenIds.length,
      truncated: finishReason === "length",
    });
  } catch (cause) {
    throw new VlmR1Error(
      "reward-failed",
      `Metric "${name}" failed on sample ${sample.id}: ${messageOf(cause)}`,
      { cause },
    );
  }
  if (Number.isFinite(score)) return score;
  throw new VlmR1Error(
    "reward-failed",
    `Metric "${name}" gave ${score} for sample ${sample.id}: a metric must be a finite number for any completion.`,
  );
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function invalid(message: string): VlmR1Error {
  return new VlmR1Error("invalid-argument", message);
}
