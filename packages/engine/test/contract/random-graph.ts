import * as tf from "@tensorflow/tfjs";
import { createRng, type Rng } from "@vlmr1/core";
import { stopGradient } from "../../src/index.ts";

type T = tf.Tensor;

/** Shapes that operands start from; every rank up to 4, unit axes included. */
const shapes: readonly (readonly number[])[] = [
  [],
  [1],
  [4],
  [3, 4],
  [4, 3],
  [1, 4],
  [2, 3, 4],
  [2, 1, 4],
  [1, 2, 3, 4],
];

/** Random leaves: multiples of 1/8 between -2 and 2, so that comparing them is exact everywhere. */
export function randomLeaves(seed: number): { data: Float32Array; shape: readonly number[] }[] {
  const rng = createRng(seed);
  return shapes.map((shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return { shape, data: Float32Array.from({ length: size }, () => (rng.integer(33) - 16) / 8) };
  });
}

const bounded = (x: T): T => tf.tanh(x);
const pick = <V>(rng: Rng, items: readonly V[]): V => items[rng.integer(items.length)]!;

const unary: readonly ((x: T, rng: Rng) => T)[] = [
  (x) => tf.neg(x),
  (x) => tf.tanh(x),
  (x) => tf.sigmoid(x),
  (x) => tf.exp(tf.minimum(x, 1)),
  (x) => tf.log(tf.add(tf.square(x), 1)),
  (x) => tf.sqrt(tf.add(tf.square(x), 0.5)),
  (x) => tf.rsqrt(tf.add(tf.square(x), 0.5)),
  (x) => tf.softplus(x),
  (x) => tf.erf(x),
  (x) => tf.sin(x),
  (x) => tf.relu(tf.add(x, 0.0625)),
  (x) => tf.clipByValue(x, -0.9375, 0.9375),
  (x) => tf.abs(tf.add(x, 0.03)),
  (x) => tf.atan(x),
  (x) => tf.square(x),
  (x, rng) => tf.mul(x, (rng.integer(9) - 4) / 4),
  (x, rng) => tf.add(x, (rng.integer(9) - 4) / 4),
  (x) => tf.reshape(x, [-1]),
  (x) => tf.reshape(x, [1, x.size]),
  (x) => tf.transpose(x),
  (x) => (x.rank === 0 ? x : tf.softmax(x)),
  (x, rng) => (x.rank === 0 ? tf.mean(x) : tf.mean(x, rng.integer(x.rank), rng.integer(2) === 0)),
  (x, rng) => (x.rank === 0 ? tf.sum(x) : bounded(tf.sum(x, rng.integer(x.rank), rng.integer(2) === 0))),
  (x) => (x.rank === 0 ? x : bounded(tf.cumsum(x, x.rank - 1))),
  (x, rng) => (x.rank === 0 ? x : tf.reverse(x, rng.integer(x.rank))),
  (x, rng) =>
    x.rank === 0
      ? x
      : tf.tile(
          x,
          x.shape.map(() => 1 + rng.integer(2)),
        ),
  (x, rng) =>
    x.rank === 0
      ? x
      : tf.pad(
          x,
          x.shape.map(() => [rng.integer(2), rng.integer(2)] as [number, number]),
        ),
  (x, rng) => {
    if (x.rank === 0) return x;
    const begin = x.shape.map((extent) => rng.integer(extent));
    return tf.slice(
      x,
      begin,
      x.shape.map((extent, k) => 1 + rng.integer(extent - begin[k]!)),
    );
  },
  (x, rng) =>
    x.rank === 0
      ? x
      : tf.gather(x, tf.tensor1d([rng.integer(x.shape[0]!), rng.integer(x.shape[0]!)], "int32")),
  (x, rng) => {
    const axis = rng.integer(Math.max(1, x.rank));
    return (x.shape[axis] ?? 1) === 1 ? x : tf.stack(tf.unstack(x, axis).reverse(), rng.integer(x.rank));
  },
];

function compatible(a: T, b: T): boolean {
  const rank = Math.min(a.rank, b.rank);
  return Array.from({ length: rank }, (_, k) => [a.shape.at(-1 - k)!, b.shape.at(-1 - k)!]).every(
    ([x, y]) => x === y || x === 1 || y === 1,
  );
}

const binary: readonly ((a: T, b: T, leaves: readonly T[], rng: Rng) => T)[] = [
  (a, b) => tf.add(a, b),
  (a, b) => tf.sub(a, b),
  (a, b) => tf.mul(a, b),
  (a, b) => tf.div(a, tf.add(tf.square(b), 1)),
  (a, b) => tf.squaredDifference(tf.add(a, tf.zerosLike(b)), tf.add(b, tf.zerosLike(a))),
  (a, b) => tf.pow(tf.add(tf.square(a), 0.5), bounded(b)),
];

const product = (a: T, b: T): T => bounded(tf.matMul(tf.reshape(a, [-1, 1]), tf.reshape(b, [1, -1])));
const choose = (a: T, b: T, raw: T): T => {
  const leaf = stopGradient(raw); // TensorFlow.js has no gradient of comparisons
  return tf.where(
    tf.greater(tf.max(leaf), tf.min(leaf)),
    tf.sum(a),
    tf.where(tf.lessEqual(tf.min(leaf), 0.25), tf.mean(b), tf.sum(b)),
  );
};

/** A random expression of `operations` operations over the leaves; deterministic in the seed. Always a bounded scalar. */
export function randomExpression(leaves: readonly T[], seed: number, operations: number): T {
  const rng = createRng(seed);
  const pool: T[] = [...leaves];
  for (let step = 0; step < operations; step++) {
    const a = pick(rng, pool.slice(-6));
    const b = pick(rng, pool);
    let next: T;
    if (rng.integer(3) > 0) next = pick(rng, unary)(a, rng);
    else if (compatible(a, b)) next = pick(rng, binary)(a, b, leaves, rng);
    else
      next = rng.integer(2) === 0 && a.size * b.size < 600 ? product(a, b) : choose(a, b, pick(rng, leaves));
    pool.push(next.size > 600 ? tf.mean(next, 0) : bounded(next));
  }
  return tf.addN(pool.slice(-3).map((x) => tf.mean(x)));
}
