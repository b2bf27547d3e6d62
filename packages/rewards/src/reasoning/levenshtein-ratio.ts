/**
 * `Levenshtein.ratio`: twice the length of the longest common subsequence over the total length, in code
 * points, 0..1; two empty texts are equal (1).
 *
 * The subsequence is found 32 columns at a time (Hyyrö 2004, "Bit-parallel LCS-length computation
 * revisited"): m x n / 32 steps.
 */
export function levenshteinRatio(a: string, b: string): number {
  const first = codePoints(a);
  const second = codePoints(b);
  const total = first.length + second.length;
  if (total === 0) return 1;
  return (2 * longestCommonSubsequence(first, second)) / total;
}

function longestCommonSubsequence(a: Uint32Array, b: Uint32Array): number {
  let start = 0;
  let endA = a.length;
  let endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) start++;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--;
    endB--;
  }
  const common = start + a.length - endA;
  const [short, long] =
    endA - start < endB - start
      ? [a.subarray(start, endA), b.subarray(start, endB)]
      : [b.subarray(start, endB), a.subarray(start, endA)];
  return common + (short.length === 0 ? 0 : matchedColumns(short, long));
}

/** One bit per code point of `short`; a bit that is cleared is a step of the subsequence. */
function matchedColumns(short: Uint32Array, long: Uint32Array): number {
  const words = Math.ceil(short.length / 32);
  const masks = columnMasks(short, words);
  const asciiMasks = Array.from({ length: 128 }, (_, point) => masks.get(point));
  const rows = new Uint32Array(words).fill(0xffffffff);
  for (let i = 0; i < long.length; i++) {
    const point = long[i] as number;
    const mask = point < 128 ? asciiMasks[point] : masks.get(point);
    if (!mask) continue;
    let carry = 0;
    for (let w = 0; w < words; w++) {
      const row = rows[w] as number;
      const matched = (row & (mask[w] as number)) >>> 0;
      const sum = row + matched + carry; // below 2^34: exact
      carry = sum > 0xffffffff ? 1 : 0;
      rows[w] = (sum | (row & ~matched)) >>> 0;
    }
  }
  let cleared = 0;
  for (let i = 0; i < short.length; i++) {
    if ((((rows[i >>> 5] as number) >>> (i & 31)) & 1) === 0) cleared++;
  }
  return cleared;
}

/** For each code point, the positions of `short` where it stands. */
function columnMasks(short: Uint32Array, words: number): Map<number, Uint32Array> {
  const masks = new Map<number, Uint32Array>();
  short.forEach((point, i) => {
    let mask = masks.get(point);
    if (!mask) masks.set(point, (mask = new Uint32Array(words)));
    mask[i >>> 5] = (mask[i >>> 5] as number) | (1 << (i & 31));
  });
  return masks;
}

function codePoints(text: string): Uint32Array {
  const points = new Uint32Array(text.length);
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) as number;
    if (point > 0xffff) i++;
    points[count++] = point;
  }
  return points.subarray(0, count);
}
