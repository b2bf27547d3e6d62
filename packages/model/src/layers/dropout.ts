import * as tf from "@tensorflow/tfjs";
import type { AdapterDropout } from "./scope.ts";

/** A number in [0, 1) of a name, so that every layer drops other inputs. */
function hash(name: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193);
  return (state >>> 8) / 2 ** 24;
}

const fraction = (x: tf.Tensor): tf.Tensor => tf.sub(x, tf.floor(x));

/**
 * Zeroes a share of `x` `[n, D]` and scales the rest by 1 / (1 - rate), as dropout does (https://arxiv.org/abs/1207.0580).
 *
 * The n D random numbers are mixed in the graph from n + D that the host drew: fractions of products of large factors are nearly
 * independent for different pairs.
 */
export function dropOut(x: tf.Tensor, { rate, rows, columns }: AdapterDropout, name: string): tf.Tensor {
  const [n, D] = x.shape as [number, number];
  const shift = hash(name);
  const row = tf.reshape(tf.slice(rows, [0], [n]), [n, 1]);
  const column = tf.reshape(tf.slice(columns, [0], [D]), [1, D]);
  const mixed = fraction(tf.mul(tf.mul(tf.add(row, 0.5 + shift), 61.7), tf.add(tf.mul(column, 31.3), 1))); // [n, D]
  const noise = fraction(tf.add(tf.mul(mixed, 173.9), row));
  const keep = tf.cast(tf.greaterEqual(noise, rate), "float32");
  return tf.mul(x, tf.mul(keep, 1 / (1 - rate)));
}
