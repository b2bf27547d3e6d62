/**
 * The mean as numpy computes it: pairwise summation in blocks of 128 with eight running sums, so that a mean of equal
 * numbers is equal to the last bit.
 */
export function numpyMean(values: Float64Array): number {
  return pairwiseSum(values, 0, values.length) / values.length;
}

function pairwiseSum(values: Float64Array, start: number, count: number): number {
  if (count < 8) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[start + i] as number;
    return sum;
  }
  if (count > 128) {
    let half = count >> 1;
    half -= half % 8;
    return pairwiseSum(values, start, half) + pairwiseSum(values, start + half, count - half);
  }
  const lanes = values.slice(start, start + 8);
  let i = 8;
  for (; i < count - (count % 8); i += 8) {
    for (let lane = 0; lane < 8; lane++) {
      lanes[lane] = (lanes[lane] as number) + (values[start + i + lane] as number);
    }
  }
  const [a, b, c, d, e, f, g, h] = lanes as unknown as readonly number[] & { length: 8 };
  let sum = add(add(a, b), add(c, d)) + add(add(e, f), add(g, h));
  for (; i < count; i++) sum += values[start + i] as number;
  return sum;
}

function add(a: number | undefined, b: number | undefined): number {
  return (a as number) + (b as number);
}
