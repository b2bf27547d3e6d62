/**
 * Stable orders by counting and radix passes: linear time, no comparisons, and ties keep the order they had.
 *
 * COCO's evaluation sorts stably everywhere (numpy's mergesort); these give the same permutations.
 */

/**
 * Reorders `order` so that `keys` (whole numbers in 0..keyCount-1, looked up by element) ascend; ties keep their
 * order.
 */
export function stableOrderBy(keys: Int32Array, keyCount: number, order: Int32Array): Int32Array {
  const next = new Int32Array(keyCount + 1);
  for (let i = 0; i < order.length; i++) {
    const key = keys[order[i] as number] as number;
    next[key + 1] = (next[key + 1] as number) + 1;
  }
  for (let key = 0; key < keyCount; key++) next[key + 1] = (next[key + 1] as number) + (next[key] as number);
  const sorted = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const element = order[i] as number;
    const key = keys[element] as number;
    const place = next[key] as number;
    next[key] = place + 1;
    sorted[place] = element;
  }
  return sorted;
}

/** Below this many elements two passes over 65536 counters cost more than comparing. */
const radixThreshold = 4096;

/** Reorders `order` so that the scores (finite, looked up by element) descend; ties keep their order. */
export function stableOrderByScore(scores: Float64Array, order: Int32Array): Int32Array {
  if (order.length < radixThreshold) {
    return order.slice().sort((a, b) => (scores[b] as number) - (scores[a] as number));
  }
  const { low, high } = descendingBits(scores);
  let sorted = order;
  for (const word of [low, high]) {
    for (const shift of [0, 16]) sorted = radixPass(word, shift, sorted);
  }
  return sorted;
}

/** Scores as 64-bit keys whose unsigned ascending order is the descending order of the numbers; -0 equals 0. */
function descendingBits(scores: Float64Array): { low: Uint32Array; high: Uint32Array } {
  const bits = new Uint32Array(scores.length * 2);
  const canonical = new Float64Array(bits.buffer);
  for (let i = 0; i < scores.length; i++) canonical[i] = (scores[i] as number) + 0;
  const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  const low = new Uint32Array(scores.length);
  const high = new Uint32Array(scores.length);
  for (let i = 0; i < scores.length; i++) {
    const upper = bits[2 * i + (littleEndian ? 1 : 0)] as number;
    const lower = bits[2 * i + (littleEndian ? 0 : 1)] as number;
    // A negative number's bits already grow as it falls; a positive one's magnitude is inverted.
    const isNegative = upper >>> 31 === 1;
    high[i] = isNegative ? upper : upper ^ 0x7fffffff;
    low[i] = isNegative ? lower : ~lower;
  }
  return { low, high };
}

function radixPass(words: Uint32Array, shift: number, order: Int32Array): Int32Array {
  const next = new Int32Array(65537);
  for (let i = 0; i < order.length; i++) {
    const digit = ((words[order[i] as number] as number) >>> shift) & 0xffff;
    next[digit + 1] = (next[digit + 1] as number) + 1;
  }
  for (let digit = 0; digit < 65536; digit++) {
    next[digit + 1] = (next[digit + 1] as number) + (next[digit] as number);
  }
  const sorted = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const element = order[i] as number;
    const digit = ((words[element] as number) >>> shift) & 0xffff;
    const place = next[digit] as number;
    next[digit] = place + 1;
    sorted[place] = element;
  }
  return sorted;
}
