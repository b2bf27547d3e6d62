import * as tf from "@tensorflow/tfjs-core";
import type { DecoderConfig } from "./decoder.ts";
import { HEAD, linear } from "./linear.ts";
import { child, parameter, type Saver, type Scope } from "./scope.ts";

/** Canonical name of the head's weight, when it has its own. */
export const HEAD_WEIGHT = `${HEAD}.weight`;

/** The parameter that turns hidden states into logits: the embedding's when the head is tied. */
export function headWeightName({ tiedHead, prefix }: DecoderConfig): string {
  return tiedHead ? `${prefix}.embed_tokens.weight` : HEAD_WEIGHT;
}

/** The module that turns hidden states into logits: its weight is the embedding's when the head is tied, an adapter is its own. */
export function headScope(root: Scope, config: DecoderConfig): Scope {
  const head = child(root, HEAD);
  if (!config.tiedHead) return head;
  const embedding = parameter(child(child(root, config.prefix), "embed_tokens"), "weight");
  return { ...head, tensors: { ...root.tensors, [HEAD_WEIGHT]: embedding } };
}

/** Logits of hidden states `[n, D]` under the head `[V, D]`: `[n, V]`. */
export function logits(head: Scope, hidden: tf.Tensor): tf.Tensor2D {
  return linear(head, hidden) as tf.Tensor2D;
}

/** What a head says about given tokens; each `[n]`. */
interface TokenLogProbs {
  /** log p(target), natural logarithm. */
  readonly logProbs: tf.Tensor1D;
  /** Entropy of the whole distribution, in nats; present when asked for. */
  readonly entropies?: tf.Tensor1D;
}

interface HeadOptions {
  /** Divides the logits. Scalar. */
  readonly temperature: tf.Tensor;
  /** Whether the head's own weight is trained. */
  readonly trainable: boolean;
  readonly entropies: boolean;
  /** Rows whose logits exist at the same time. */
  readonly chunkRows: number;
}

/**
 * log p of `targets` (int32 `[n]`) under the head, a chunk of rows at a time.
 *
 * The gradient is by hand. For one row, d logp / dh = W[target] - softmax(h W^T) W, which does not depend on what comes after: it
 * is computed in the forward pass while the chunk's logits exist, and only `[n, D]` is kept for the backward pass. A trained
 * head, or one with an adapter, keeps its probabilities instead. Dropout does not reach the head's adapter.
 */
export function tokenLogProbs(
  head: Scope,
  hidden: tf.Tensor,
  targets: tf.Tensor1D,
  options: HeadOptions,
): TokenLogProbs {
  const weight = headWeight(head);
  const trainable = options.trainable || isAdapted(head);
  const [n, D] = hidden.shape as [number, number];
  const parts = chunkBounds(n, options.chunkRows).map(([begin, length]) => {
    const rows = n === length ? hidden : tf.slice(hidden, [begin, 0], [length, D]);
    const ids = n === length ? targets : tf.slice(targets, [begin], [length]);
    const logProbsOf = trainable ? trainedHeadLogProbs : frozenHeadLogProbs;
    const logProbs = logProbsOf(ids, options.temperature)(rows, weight);
    return {
      logProbs,
      entropies: options.entropies ? rowEntropies(rows, weight, options.temperature) : undefined,
    };
  });
  const join = (pieces: tf.Tensor1D[]) =>
    pieces.length === 1 ? (pieces[0] as tf.Tensor1D) : tf.concat(pieces);
  const logProbs = join(parts.map((part) => part.logProbs));
  if (!options.entropies) return { logProbs };
  return { logProbs, entropies: join(parts.map((part) => part.entropies as tf.Tensor1D)) };
}

function chunkBounds(rows: number, size: number): [begin: number, length: number][] {
  const chunks = Math.ceil(rows / size);
  return Array.from({ length: chunks }, (_, i) => [i * size, Math.min(size, rows - i * size)]);
}

/** Whether an adapter takes part in the head. */
function isAdapted(head: Scope): boolean {
  return head.adapters?.has(head.name) === true;
}

/** The head `[V, D]` with its adapter's update: for many rows the sum of the matrices costs less than that of the logits. */
function headWeight(head: Scope): tf.Tensor {
  const weight = parameter(head, "weight");
  const scaling = head.adapters?.get(head.name);
  if (scaling === undefined) return weight;
  const b = tf.mul(parameter(head, "lora_B.weight"), scaling); // [V, r]
  return tf.add(weight, tf.matMul(b, parameter(head, "lora_A.weight")));
}

type HeadFunction = (rows: tf.Tensor, weight: tf.Tensor) => tf.Tensor1D;

function frozenHeadLogProbs(ids: tf.Tensor1D, temperature: tf.Tensor): HeadFunction {
  return tf.customGrad((...inputs: unknown[]) => {
    const [rows, weight, save] = inputs as [tf.Tensor, tf.Tensor, Saver];
    const { probabilities, normalizer } = distribution(rows, weight, temperature);
    const chosen = tf.gather(weight, ids); // [n, D]
    const expected = tf.matMul(probabilities, weight); // [n, D]
    save([tf.div(tf.sub(chosen, expected), temperature), weight]);
    const logit = tf.div(tf.sum(tf.mul(rows, chosen), -1, true), temperature);
    return {
      value: tf.reshape(tf.sub(logit, normalizer), [-1]),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [slope, w] = saved as [tf.Tensor, tf.Tensor];
        return [tf.mul(tf.reshape(dy, [-1, 1]), slope), tf.zerosLike(w)];
      },
    };
  }) as HeadFunction;
}

function trainedHeadLogProbs(ids: tf.Tensor1D, temperature: tf.Tensor): HeadFunction {
  return tf.customGrad((...inputs: unknown[]) => {
    const [rows, weight, save] = inputs as [tf.Tensor, tf.Tensor, Saver];
    const { table, probabilities, normalizer } = distribution(rows, weight, temperature);
    const chosen = tf.oneHot(ids, weight.shape[0] as number, 1, 0, "float32"); // [n, V]
    const logit = tf.sum(tf.mul(table, chosen), -1, true);
    save([tf.div(tf.sub(chosen, probabilities), temperature), rows, weight]);
    return {
      value: tf.reshape(tf.sub(logit, normalizer), [-1]),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [slope, x, w] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const rate = tf.mul(tf.reshape(dy, [-1, 1]), slope); // [n, V]
        return [tf.matMul(rate, w), tf.matMul(rate, x, true, false)];
      },
    };
  }) as HeadFunction;
}

/** Entropy of each row. Its products are the same as those of the log-probabilities, and a graph computes them once. */
function rowEntropies(rows: tf.Tensor, weight: tf.Tensor, temperature: tf.Tensor): tf.Tensor1D {
  const { table, probabilities, normalizer } = distribution(rows, weight, temperature);
  const mean = tf.sum(tf.mul(probabilities, table), -1);
  return tf.sub(tf.reshape(normalizer, [-1]), mean);
}

/** What a head says about each row: logits `[n, V]`, probabilities `[n, V]`, and what logits exceed log-probabilities by `[n, 1]`. */
function distribution(rows: tf.Tensor, weight: tf.Tensor, temperature: tf.Tensor) {
  const table = tf.matMul(tf.div(rows, temperature), weight, false, true); // dividing the rows is cheaper than the table
  return { table, probabilities: tf.softmax(table), normalizer: logSumExp(table) };
}

/**
 * `[n, V]` to `[n, 1]`. The largest probability is exp(top) over the sum: with the probabilities at hand, this spares three
 * passes over a table that is as wide as the vocabulary.
 */
const logSumExp = tf.customGrad((...inputs: unknown[]) => {
  const [table, save] = inputs as [tf.Tensor, Saver];
  const probabilities = tf.softmax(table);
  save([probabilities]);
  return {
    value: tf.sub(tf.max(table, -1, true), tf.log(tf.max(probabilities, -1, true))),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0] as tf.Tensor),
  };
}) as (table: tf.Tensor) => tf.Tensor;
