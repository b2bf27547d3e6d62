import type { Rng } from "@vlmr1/core";

/** Values that files should not have, as the bytes of a JSON value. */
const HOSTILE = [
  "NaN",
  "Infinity",
  "-1",
  "1e999",
  "null",
  "[]",
  "{}",
  '""',
  "-0.0",
  "9007199254740993",
  '"../../x"',
  "true",
  "[[[[",
  "4294967296",
];

type Mutation = (bytes: Buffer, rng: Rng) => Buffer;

/** A part of `bytes` of up to `longest` bytes, anywhere. */
function range(bytes: Buffer, rng: Rng, longest: number): [start: number, end: number] {
  const start = rng.integer(bytes.length);
  return [start, Math.min(bytes.length, start + 1 + rng.integer(longest))];
}

const flipBits: Mutation = (bytes, rng) => {
  const copy = Buffer.from(bytes);
  for (let flips = 1 + rng.integer(8); flips > 0; flips--)
    copy[rng.integer(copy.length)]! ^= 1 << rng.integer(8);
  return copy;
};

const truncate: Mutation = (bytes, rng) => bytes.subarray(0, rng.integer(bytes.length));

const overwrite: Mutation = (bytes, rng) => {
  const copy = Buffer.from(bytes);
  const [start, end] = range(copy, rng, 8);
  const fill = [0, 0xff, 0x7f, 0x80][rng.integer(5)];
  for (let index = start; index < end; index++) copy[index] = fill ?? rng.integer(256);
  return copy;
};

const remove: Mutation = (bytes, rng) => {
  const [start, end] = range(bytes, rng, 64);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
};

const repeat: Mutation = (bytes, rng) => {
  const [start, end] = range(bytes, rng, 200);
  return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
};

const swapRanges: Mutation = (bytes, rng) => {
  const [first, second] = [rng.integer(bytes.length), rng.integer(bytes.length)].sort((a, b) => a - b) as [
    number,
    number,
  ];
  const length = Math.min(1 + rng.integer(40), second - first, bytes.length - second);
  const copy = Buffer.from(bytes);
  bytes.copy(copy, first, second, second + length);
  bytes.copy(copy, second, first, first + length);
  return copy;
};

/** Swaps two tokens (names, numbers, strings) of a text, or puts a hostile value in the place of one. */
const swapFields: Mutation = (bytes, rng) => {
  const text = bytes.toString("latin1");
  const tokens = [...text.matchAll(/"[^"\n]{0,80}"|-?\d[\d.]{0,20}|\w{1,20}/g)];
  if (tokens.length < 2) return flipBits(bytes, rng);
  const first = tokens[rng.integer(tokens.length)]!;
  const second = tokens[rng.integer(tokens.length)]!;
  if (rng.uniform() < 0.4)
    return Buffer.from(replaceAt(text, first, HOSTILE[rng.integer(HOSTILE.length)]!), "latin1");
  const [early, late] = first.index < second.index ? [first, second] : [second, first];
  return Buffer.from(replaceAt(replaceAt(text, late, early[0]), early, late[0]), "latin1");
};

function replaceAt(text: string, token: RegExpExecArray, by: string): string {
  return text.slice(0, token.index) + by + text.slice(token.index + token[0].length);
}

const MUTATIONS = [
  flipBits,
  flipBits,
  truncate,
  overwrite,
  remove,
  repeat,
  swapRanges,
  swapFields,
  swapFields,
];

/** Damages a file in one to three ways. */
export function mutate(bytes: Buffer, rng: Rng): Buffer {
  let mutated = bytes;
  for (let times = 1 + Math.floor(rng.uniform() ** 2 * 3); times > 0 && mutated.length > 0; times--) {
    mutated = MUTATIONS[rng.integer(MUTATIONS.length)]!(mutated, rng);
  }
  return mutated;
}
