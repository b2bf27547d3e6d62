import { quantile, type Rng, VlmR1Error } from "@vlmr1/core";

/** A mean with the interval that its sampling error leaves. */
export interface MeanInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** How to bootstrap. */
export interface BootstrapOptions {
  /** Where the resamples come from; the same generator gives the same interval. */
  readonly rng: Rng;
  /** Resamples drawn. Default 1000. */
  readonly resamples?: number;
  /** Share of resampled means inside the interval. Default 0.95. */
  readonly level?: number;
}

/**
 * The mean of independent values with its percentile bootstrap interval (Efron 1979; Efron, Tibshirani 1993, ch. 13).
 *
 * Values that are all equal give an interval of width 0: the bootstrap knows no value that it has not seen.
 *
 * @throws VlmR1Error `invalid-argument` for no values, a level outside (0, 1) or fewer than one resample.
 */
export function bootstrapMean(
  values: readonly number[],
  { rng, resamples = 1000, level = 0.95 }: BootstrapOptions,
): MeanInterval {
  const count = values.length;
  if (count === 0 || !(level > 0 && level < 1) || !(Number.isInteger(resamples) && resamples > 0)) {
    throw new VlmR1Error(
      "invalid-argument",
      `A bootstrap needs values, a level in (0, 1) and resamples >= 1, got ${count} values, level ${level}, ${resamples} resamples.`,
    );
  }
  const data = Float64Array.from(values);
  const mean = data.reduce((sum, value) => sum + value, 0) / count;
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let j = 0; j < count; j++) sum += data[rng.integer(count)] as number;
    means[i] = sum / count;
  }
  return { mean, ...percentiles(means, level) };
}

/** The interval between the percentiles that leave `level` of the values inside. */
export function percentiles(
  values: ArrayLike<number>,
  level: number,
): { readonly low: number; readonly high: number } {
  const sorted = Float64Array.from(values).sort();
  return { low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
}

/**
 * pass@k: the chance that at least one of k completions is right, when `right` of `total` sampled ones are; unbiased.
 *
 * 1 - C(total - right, k) / C(total, k). Chen et al. 2021, *Evaluating Large Language Models Trained on Code*, eq. 1.
 *
 * @throws VlmR1Error `invalid-argument` unless 1 <= k <= total and 0 <= right <= total.
 */
export function passAtK(right: number, total: number, k: number): number {
  if (![right, total, k].every(Number.isInteger) || k < 1 || k > total || right < 0 || right > total) {
    throw new VlmR1Error(
      "invalid-argument",
      `pass@k needs whole numbers 1 <= k <= total and 0 <= right <= total, got right ${right}, total ${total}, k ${k}.`,
    );
  }
  let allWrong = 1;
  for (let i = 0; i < k; i++) allWrong *= Math.max(0, total - right - i) / (total - i);
  return 1 - allWrong;
}

/** A metric of one group of rows. */
export interface GroupValue<Value> {
  readonly group: string;
  readonly count: number;
  readonly value: Value;
}

/**
 * Breaks any metric down: rows are grouped by `groupOf` (rows where it is undefined are left out) and `metric` is
 * computed on each group. Groups come in order of first appearance.
 */
export function breakDown<Row, Value>(
  rows: readonly Row[],
  groupOf: (row: Row) => string | undefined,
  metric: (rows: readonly Row[]) => Value,
): GroupValue<Value>[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groupOf(row);
    if (group === undefined) continue;
    const members = groups.get(group);
    if (members) members.push(row);
    else groups.set(group, [row]);
  }
  return [...groups].map(([group, members]) => ({ group, count: members.length, value: metric(members) }));
}

/**
 * One question: the final answer that was read from the completion (undefined when there was none) and the true one.
 */
export interface ReasoningPair {
  readonly answer: string | undefined;
  readonly truth: string;
}

/** How many questions were answered rightly. */
export interface ReasoningScores {
  /** Right answers over questions, 0..1. */
  readonly accuracy: number;
  readonly correct: number;
  readonly total: number;
  /** Completions from which no answer could be read; they count as wrong. */
  readonly unanswered: number;
}

/**
 * Reasoning accuracy: the share of questions whose final answer is right.
 *
 * `isCorrect` decides what right means, {@link sameAnswer} by default; pass a rule of `@vlmr1/rewards` for
 * mathematics or choices.
 *
 * @throws VlmR1Error `invalid-argument` for no questions at all.
 */
export function reasoningAccuracy(
  pairs: readonly ReasoningPair[],
  { isCorrect = sameAnswer }: { readonly isCorrect?: (answer: string, truth: string) => boolean } = {},
): ReasoningScores {
  if (pairs.length === 0) {
    throw new VlmR1Error(
      "invalid-argument",
      "There is nothing to average: give at least one answer with its truth.",
    );
  }
  const correct = pairs.filter(
    ({ answer, truth }) => answer !== undefined && isCorrect(answer, truth),
  ).length;
  const unanswered = pairs.filter(({ answer }) => answer === undefined).length;
  return { accuracy: correct / pairs.length, correct, total: pairs.length, unanswered };
}

/** Whether two answers are equal as numbers, or as text without case, surrounding space and a final full stop. */
export function sameAnswer(answer: string, truth: string): boolean {
  const [a, b] = [plain(answer), plain(truth)];
  if (a === b) return true;
  return a !== "" && b !== "" && Number(a) === Number(b);
}

function plain(text: string): string {
  const trimmed = text.trim().toLowerCase();
  return (trimmed.endsWith(".") ? trimmed.slice(0, -1) : trimmed).trim();
}
