import type { SamplingOptions } from "./sampling-options.ts";

/** A drawn token. */
export interface Draw {
  readonly id: number;
  /** log p under the distribution that was sampled, <= 0; 0 when greedy. */
  readonly logProb: number;
  /** log p under the model's own distribution. */
  readonly rawLogProb: number;
}

/** Penalizes tokens that occur in `seen`, once each. */
function penalize(logits: Float64Array, seen: Iterable<number>, penalty: number): void {
  for (const id of new Set(seen)) {
    const value = logits[id];
    if (value !== undefined) logits[id] = value > 0 ? value / penalty : value * penalty;
  }
}

/** Removes everything below the K-th largest; ties stay. */
function keepTopK(logits: Float64Array, count: number): void {
  if (count <= 0 || count >= logits.length) return;
  const threshold = Float64Array.from(logits).sort().at(-count) as number;
  for (let i = 0; i < logits.length; i++) if ((logits[i] as number) < threshold) logits[i] = -Infinity;
}

/** Removes the low tail whose probabilities add up to at most 1 - p; at least one token stays. */
function keepTopP(logits: Float64Array, share: number): void {
  if (share >= 1) return;
  const probabilities = softmax(logits);
  const order = Uint32Array.from(logits.keys())
    .filter((i) => (logits[i] as number) > -Infinity)
    .sort((a, b) => (logits[a] as number) - (logits[b] as number) || b - a);
  let tail = 0;
  for (let i = 0; i < order.length - 1; i++) {
    tail += probabilities[order[i] as number] as number;
    if (tail > 1 - share) return;
    logits[order[i] as number] = -Infinity;
  }
}

/** Removes tokens less likely than `share` times the likeliest. */
function keepMinP(logits: Float64Array, share: number): void {
  if (share <= 0) return;
  const threshold = logits.reduce((a, b) => Math.max(a, b)) + Math.log(share);
  for (let i = 0; i < logits.length; i++) if ((logits[i] as number) < threshold) logits[i] = -Infinity;
}

/** Probabilities of logits; -Infinity becomes 0. */
export function softmax(logits: Float64Array): Float64Array {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const weights = logits.map((value) => Math.exp(value - top));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

/**
 * Logits after the processors of transformers in its order: repetition penalty, temperature, top-k, top-p, min-p. Removed tokens are
 * -Infinity. `seen` are the ids of prompt and answer so far.
 */
export function processLogits(
  raw: ArrayLike<number>,
  seen: Iterable<number>,
  options: SamplingOptions,
): Float64Array {
  const logits = Float64Array.from(raw);
  if (options.repetitionPenalty !== 1) penalize(logits, seen, options.repetitionPenalty);
  if (options.temperature === 0) return logits;
  for (let i = 0; i < logits.length; i++) logits[i] = (logits[i] as number) / options.temperature;
  keepTopK(logits, options.topK);
  keepTopP(logits, options.topP);
  keepMinP(logits, options.minP);
  return logits;
}

/** The index that a uniform number in [0, 1) selects: how many cumulative probabilities are at most `uniform`. */
export function inverseCdf(probabilities: ArrayLike<number>, uniform: number): number {
  let [sum, last] = [0, 0];
  for (let i = 0; i < probabilities.length; i++) {
    const share = probabilities[i] as number;
    if (share > 0) last = i;
    sum += share;
    if (sum > uniform) return i;
  }
  return last; // rounding left the sum below 1
}

function argMax(values: Float64Array): number {
  return values.reduce((best, value, i) => (value > (values[best] as number) ? i : best), 0);
}

/** Draws a token from a row of logits with one uniform number. */
export function drawToken(
  raw: ArrayLike<number>,
  seen: Iterable<number>,
  options: SamplingOptions,
  uniform: number,
): Draw {
  const logits = processLogits(raw, seen, options);
  const own = softmax(Float64Array.from(raw));
  if (options.temperature === 0) {
    const id = argMax(logits);
    return { id, logProb: 0, rawLogProb: Math.log(own[id] as number) };
  }
  const probabilities = softmax(logits);
  const id = inverseCdf(probabilities, uniform);
  return { id, logProb: Math.log(probabilities[id] as number), rawLogProb: Math.log(own[id] as number) };
}
