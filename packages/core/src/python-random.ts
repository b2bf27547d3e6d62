import { VlmR1Error } from "./error.ts";

/**
 * CPython's `random.Random(seed)` for the calls that published evaluations make, number for number.
 *
 * MT19937 (Matsumoto, Nishimura 1998), seeded by `init_by_array` as CPython does for integers.
 */
export interface PythonRandom {
  /** `random.random()`: [0, 1) with 53 bits. */
  random(): number;
  /** `random.getrandbits(k)` for k in 1..53. */
  getrandbits(k: number): number;
  /** `random.randrange(n)` for n >= 1. */
  randrange(n: number): number;
  /** `random.shuffle(list)` on a copy. */
  shuffled<T>(items: readonly T[]): T[];
  /** `random.sample(list, k)`. */
  sample<T>(items: readonly T[], k: number): T[];
  /** `random.choice(list)` of a list that is not empty. */
  choice<T>(items: readonly T[]): T;
}

/**
 * @param seed the integer given to `random.seed`; its sign is ignored, as in CPython.
 * @throws VlmR1Error `invalid-argument` when the seed is not a safe integer.
 */
export function createPythonRandom(seed: number): PythonRandom {
  if (!Number.isSafeInteger(seed)) {
    throw new VlmR1Error("invalid-argument", `A Python seed must be a safe integer, got ${seed}.`);
  }
  const next = mersenneTwister(keyOf(Math.abs(seed)));
  const random = (): number => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  const getrandbits = (k: number): number => {
    if (!Number.isInteger(k) || k < 1 || k > 53) {
      throw new VlmR1Error("invalid-argument", `getrandbits(k) needs k in 1..53, got ${k}.`);
    }
    // CPython fills 32-bit words from the least significant up.
    if (k <= 32) return next() >>> (32 - k);
    const low = next();
    return (next() >>> (64 - k)) * 2 ** 32 + low;
  };
  const randrange = (n: number): number => {
    if (!Number.isSafeInteger(n) || n < 1) {
      throw new VlmR1Error("invalid-argument", `randrange(n) needs a positive integer, got ${n}.`);
    }
    const bits = n.toString(2).length; // CPython asks for n.bit_length() bits and rejects
    let value = getrandbits(bits);
    while (value >= n) value = getrandbits(bits);
    return value;
  };
  const shuffled = <T>(items: readonly T[]): T[] => {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = randrange(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  };
  const choice = <T>(items: readonly T[]): T => items[randrange(items.length)] as T;
  const sample = <T>(items: readonly T[], k: number): T[] => sampleLikePython(items, k, randrange);
  return { random, getrandbits, randrange, shuffled, sample, choice };
}

/** `random.sample`: a pool for small populations, a set of taken indices for large ones, as CPython chooses. */
function sampleLikePython<T>(items: readonly T[], k: number, randrange: (n: number) => number): T[] {
  const n = items.length;
  if (!Number.isInteger(k) || k < 0 || k > n) {
    throw new VlmR1Error("invalid-argument", `sample(items, k) needs k in 0..${n}, got ${k}.`);
  }
  let poolLimit = 21;
  if (k > 5) poolLimit += 4 ** Math.ceil(Math.log(k * 3) / Math.log(4));
  if (n <= poolLimit) {
    const pool = [...items];
    return Array.from({ length: k }, (_, i) => {
      const j = randrange(n - i);
      const chosen = pool[j] as T;
      pool[j] = pool[n - i - 1] as T;
      return chosen;
    });
  }
  const taken = new Set<number>();
  while (taken.size < k) taken.add(randrange(n));
  return [...taken].map((index) => items[index] as T);
}

function keyOf(seed: number): number[] {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32);
  return high > 0 ? [low, high] : [low];
}

const size = 624;
const period = 397;

function mersenneTwister(key: readonly number[]): () => number {
  const state = initialState(key);
  let position = size;
  return () => {
    if (position === size) {
      regenerate(state);
      position = 0;
    }
    let y = state[position++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/** `init_by_array` of the reference implementation. */
function initialState(key: readonly number[]): Uint32Array {
  const state = new Uint32Array(size);
  state[0] = 19650218;
  const mixed = (i: number): number => {
    const previous = state[i - 1] as number;
    return previous ^ (previous >>> 30);
  };
  for (let i = 1; i < size; i++) state[i] = Math.imul(1812433253, mixed(i)) + i;
  let i = 1;
  let j = 0;
  const advance = (): void => {
    if (++i < size) return;
    state[0] = state[size - 1] as number;
    i = 1;
  };
  for (let n = Math.max(size, key.length); n > 0; n--) {
    state[i] = ((state[i] as number) ^ Math.imul(mixed(i), 1664525)) + (key[j] as number) + j;
    j = (j + 1) % key.length;
    advance();
  }
  for (let n = size - 1; n > 0; n--) {
    state[i] = ((state[i] as number) ^ Math.imul(mixed(i), 1566083941)) - i;
    advance();
  }
  state[0] = 0x80000000;
  return state;
}

function regenerate(state: Uint32Array): void {
  for (let i = 0; i < size; i++) {
    const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % size] as number) & 0x7fffffff);
    state[i] = (state[(i + period) % size] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
