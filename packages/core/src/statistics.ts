/** Arithmetic mean. NaN for no values. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}

/**
 * Standard deviation. `correction` is subtracted from the count (numpy's `ddof`): 0, the default, describes these values, 1 estimates
 * the deviation of what they were drawn from. NaN when no value is left to divide by.
 */
export function std(values: ArrayLike<number>, correction = 0): number {
  const center = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += ((values[i] as number) - center) ** 2;
  return Math.sqrt(sum / (values.length - correction));
}

/**
 * Whether values are all the same but for rounding: `[0.1 + 0.2, 0.3, 0.3]` has no variance, although its sum of squares is not quite 0.
 * The largest and the smallest may differ by 1e-8, or by 1e-8 of their size where that is more. True for no values and for one.
 */
export function hasZeroVariance(values: ArrayLike<number>): boolean {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i] as number);
    high = Math.max(high, values[i] as number);
  }
  return values.length < 2 || high - low <= 1e-8 * Math.max(1, Math.abs(low), Math.abs(high));
}

/** The value below which a `share` (0..1) of ascending values lies, interpolated linearly (numpy's default). NaN for no values. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const place = share * (ascending.length - 1);
  const below = Math.floor(place);
  const low = ascending[below] ?? NaN;
  const high = ascending[Math.min(below + 1, ascending.length - 1)] ?? NaN;
  return low + (high - low) * (place - below);
}
