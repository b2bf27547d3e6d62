import { VlmR1Error, type Rng } from "@vlmr1/core";

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
  means.sort();
  return { mean, low: quantile(means, (1 - level) / 2), high: quantile(means, (1 + level) / 2) };
}

/** Linear interpolation between order statistics (numpy's default). */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (high - low) * (place - below);
}
