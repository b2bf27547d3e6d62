const view = new DataView(new ArrayBuffer(8));

/**
 * ln(x) for a positive, normal x, from additions, multiplications and divisions alone.
 *
 * The language leaves Math.log to the implementation; IEEE 754 fixes these, so that random numbers agree on every machine.
 */
export function naturalLog(x: number): number {
  view.setFloat64(0, x);
  const high = view.getUint32(0);
  let exponent = (high >>> 20) - 1023;
  view.setUint32(0, (high & 0x000fffff) | (1023 << 20));
  let mantissa = view.getFloat64(0); // 1 <= mantissa < 2
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  // ln(m) = 2 artanh(s) with |s| <= 0.172: eleven terms reach double precision.
  const s = (mantissa - 1) / (mantissa + 1);
  const s2 = s * s;
  let sum = 0;
  for (let n = 21; n >= 1; n -= 2) sum = sum * s2 + 1 / n;
  return exponent * Math.LN2 + 2 * s * sum;
}
