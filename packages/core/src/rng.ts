import { VlmR1Error } from "./error.ts";
import { naturalLog } from "./natural-log.ts";

/**
 * A stream of random numbers. The same seed and labels give the same numbers on every machine.
 *
 * Streams are derived by name, not by order: `rng.fork("step-12").fork("sampling")` does not depend on what else was drawn, so a
 * new consumer shifts nobody and a resumed run needs only seed and step.
 */
export interface Rng {
  /** The next number in [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** The next integer in 0..bound-1, without bias. */
  integer(bound: number): number;
  /** The next standard normal number. */
  normal(): number;
  /** A new array with the elements in random order. */
  shuffled<T>(items: readonly T[]): T[];
  /** An independent stream named `label`; forking draws nothing from this one. */
  fork(label: string): Rng;
}

/**
 * Creates a stream from a seed (a safe integer). xoshiro128** (Blackman, Vigna 2018), seeded through splitmix32.
 *
 * @throws VlmR1Error `invalid-argument` when the seed is not a safe integer.
 */
export function createRng(seed: number): Rng {
  if (!Number.isSafeInteger(seed)) {
    throw new VlmR1Error("invalid-argument", `A seed must be a safe integer, got ${seed}.`);
  }
  return rngFromKey([seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]);
}

type Key = readonly [low: number, high: number];

function rngFromKey(key: Key): Rng {
  const next = xoshiro(key);
  let spare: number | undefined;
  const uniform = (): number => next() / 2 ** 32;
  const integer = (bound: number): number => {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
      throw new VlmR1Error("invalid-argument", `integer(bound) needs a bound in 1..2^32, got ${bound}.`);
    }
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let value = next();
    while (value >= limit) value = next();
    return value % bound;
  };
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    // Marsaglia's polar method: only + - * / sqrt and our own logarithm, all of them exact to the bit everywhere.
    for (;;) {
      const u = 2 * uniform() - 1;
      const v = 2 * uniform() - 1;
      const square = u * u + v * v;
      if (square === 0 || square >= 1) continue;
      const scale = Math.sqrt((-2 * naturalLog(square)) / square);
      spare = v * scale;
      return u * scale;
    }
  };
  const shuffled = <T>(items: readonly T[]): T[] => {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = integer(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  };
  return { uniform, integer, normal, shuffled, fork: (label) => rngFromKey(childKey(key, label)) };
}

/** xoshiro128**: 32 random bits a call. */
function xoshiro(key: Key): () => number {
  const seeds = splitmix(key);
  let [a, b, c, d] = [seeds(), seeds(), seeds(), seeds()];
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotateLeft(d, 11);
    return result;
  };
}

function splitmix(key: Key): () => number {
  let state = mix(key[0]) ^ key[1];
  return () => mix((state = (state + 0x9e3779b9) | 0));
}

/** Hashes a label into its parent's key: two independent 32-bit FNV-1a passes over UTF-16 units, finished by a mixer. */
function childKey(parent: Key, label: string): Key {
  let low = parent[0] ^ 0x811c9dc5;
  let high = parent[1] ^ 0x01234567;
  for (let i = 0; i < label.length; i++) {
    const unit = label.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995) ^ (high >>> 13);
  }
  return [mix(low ^ label.length) >>> 0, mix(high + low) >>> 0];
}

function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
