import * as tf from "@tensorflow/tfjs-core";
import { VlmR1Error, type Sample } from "@vlmr1/core";
import { clipFactor } from "../clip-factor.ts";
import type { NothingUnread } from "../nothing-unread.ts";
import type { ParameterLayout } from "../optimizer.ts";
import type { PolicyLoss } from "../policy-loss.ts";
import type { CompletionGroup, Policy, PolicyState, TrainingBatch, TrainingGroup } from "../policy.ts";

/** How large a table policy is. */
export interface TablePolicyOptions {
  /** Prompts are told apart by `Number(sample.id) % prompts`. Default 1. */
  readonly prompts?: number;
  /** The words that completions are made of; "." ends one. */
  readonly words?: readonly string[];
  /** Longest completion. Default 1. */
  readonly maxLength?: number;
}

/**
 * A policy without a model, for tests of trainers, losses and optimizers: a table of logits, one row for each prompt and position, trained
 * by TensorFlow.js as it is: import `@tensorflow/tfjs` for a backend. It passes {@link checkPolicy}.
 */
export function tablePolicy({
  prompts = 1,
  words = ["a", "b", "c", "d"],
  maxLength = 1,
}: TablePolicyOptions = {}): Policy {
  const table = tableOf(prompts, words.length, maxLength);
  const size = prompts * maxLength * words.length;
  const shape = [prompts * maxLength, words.length];
  const layout: ParameterLayout = { size, spans: [{ path: "table", shape, offset: 0, size }] };
  let state: Record<string, Float32Array> = {
    parameters: new Float32Array(size),
    reference: new Float32Array(size),
  };
  const parameters = (): Float32Array => state["parameters"] as Float32Array;
  const gradient = new Float32Array(size);
  let accumulated = { batches: 0, loss: 0 };
  const clear = (): void => {
    gradient.fill(0);
    accumulated = { batches: 0, loss: 0 };
  };
  const logProbsOf =
    (name: string) => async (groups: readonly CompletionGroup[], options: { temperature: number }) =>
      table.logProbs(state[name] as Float32Array, groups, options.temperature);
  return {
    complete: async (samples, { count, rng, temperature = 1, maxNewTokens = maxLength, promptNumbers }) =>
      samples.map((sample, i) =>
        Array.from({ length: count }, (_, g) => {
          const noise = rng.fork(`${promptNumbers?.[i] ?? i}/${g}`);
          const length = Math.min(maxLength, maxNewTokens);
          const options = { words, length, temperature, uniform: () => noise.uniform() };
          const drawn = table.draw(parameters(), sample, options);
          const text = drawn.tokenIds.map((id) => words[id]).join("");
          const ended = !words.includes(".") || text.endsWith(".");
          return { text, ...drawn, finishReason: ended ? ("stop" as const) : ("length" as const) };
        }),
      ),
    logProbs: logProbsOf("parameters"),
    referenceLogProbs: logProbsOf("reference"),
    accumulate: async (batch, loss) => {
      const { gradient: part, ...report } = table.gradient(parameters(), batch, loss);
      part.forEach((value, i) => (gradient[i] = (gradient[i] as number) + value));
      accumulated = { batches: accumulated.batches + 1, loss: accumulated.loss + report.loss };
      return report;
    },
    apply: async (optimizer, { learningRate, step, maxGradientNorm, combineGradient }) => {
      if (accumulated.batches === 0 && !combineGradient) {
        throw new VlmR1Error("invalid-argument", "apply() without a gradient: call accumulate() first.");
      }
      if (!Number.isFinite(accumulated.loss)) gradient.fill(NaN); // no other process applies it either
      await combineGradient?.(gradient);
      const gradientNorm = Math.hypot(...gradient);
      const factor = clipFactor(gradientNorm, maxGradientNorm);
      const clipped = gradient.map((value) => value * factor);
      clear();
      if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false };
      const buffers = optimizer.stateNames.map(
        (name) => [name, state[`optimizer/${name}`] ?? new Float32Array(size)] as const,
      );
      const next = tf.tidy(() => {
        const made = optimizer.update(
          {
            gradients: tf.tensor1d(clipped),
            parameters: tf.tensor1d(parameters()),
            state: Object.fromEntries(buffers.map(([name, values]) => [name, tf.tensor1d(values)])),
            scalars: mapValues(optimizer.scalars({ learningRate, step }), (value) => tf.scalar(value)),
            constants: mapValues(optimizer.constants(layout), (values) => tf.tensor1d(values)),
          },
          layout,
        );
        return mapValues({ parameters: made.parameters, ...prefixed("optimizer/", made.state) }, (tensor) =>
          tensor.dataSync<"float32">().slice(),
        );
      });
      state = { ...state, ...next };
      return { gradientNorm, applied: true };
    },
    discard: clear,
    syncReference: async (mix) => {
      const reference = state["reference"] as Float32Array;
      state["reference"] = reference.map((value, i) => mix * (parameters()[i] as number) + (1 - mix) * value);
    },
    snapshot: async () => mapValues(state, (values) => values.slice()),
    restore: async (saved: PolicyState) => {
      const wrong = ["parameters", "reference", ...Object.keys(saved)].find(
        (name) => saved[name]?.length !== size,
      );
      if (wrong !== undefined) {
        throw new VlmR1Error(
          "invalid-data",
          `The state's ${wrong} has ${saved[wrong]?.length ?? 0} numbers, not ${size}.`,
        );
      }
      state = mapValues(saved, (values) => values.slice());
      clear();
    },
    save: async () => undefined,
    tokenizeCompletion: (text) => [...text].map((word) => words.indexOf(word)),
  };
}

/** The arithmetic of a table of logits, [prompts, T, V]. */
function tableOf(prompts: number, V: number, T: number) {
  const row = ({ id }: Sample): number => Number(id) % prompts;
  /** log pi of every word at every position of each completion, [B, T, V], and of those that were written, [B, T]. */
  const forward = (table: tf.Tensor, groups: readonly CompletionGroup[], temperature: number) => {
    const rowsOf = groups.flatMap(({ sample, completions }) => completions.map(() => row(sample)));
    const rows = tf.gather(tf.reshape(table, [prompts, T, V]), tf.tensor1d(rowsOf, "int32")); // [B, T, V]
    const all = tf.logSoftmax(tf.div(rows, temperature));
    const written = groups.flatMap(({ completions }) => completions.map(({ tokenIds }) => tokenIds));
    const ids = tf.tensor2d(
      written.map((tokens) => fill(tokens, T)),
      [written.length, T],
      "int32",
    );
    return { all, logProbs: tf.sum(tf.mul(all, tf.oneHot(ids, V)), 2) as tf.Tensor2D };
  };
  return {
    logProbs: (values: Float32Array, groups: readonly CompletionGroup[], temperature: number) =>
      groups.length === 0
        ? []
        : byGroup(
            tf.tidy(() => forward(tf.tensor1d(values), groups, temperature).logProbs.arraySync()),
            groups,
          ),
    draw(
      values: Float32Array,
      sample: Sample,
      options: { words: readonly string[]; length: number; temperature: number; uniform: () => number },
    ) {
      const [tokenIds, logProbs]: [number[], number[]] = [[], []];
      while (tokenIds.length < options.length && options.words[tokenIds.at(-1) ?? -1] !== ".") {
        const start = (row(sample) * T + tokenIds.length) * V;
        const logits = Array.from(values.subarray(start, start + V));
        const weights = logits.map((value) =>
          Math.exp((value - Math.max(...logits)) / (options.temperature || 1e-6)),
        );
        const total = weights.reduce((sum, value) => sum + value, 0);
        let target = options.uniform() * total;
        const id = Math.max(
          0,
          weights.findIndex((value) => (target -= value) < 0),
        );
        tokenIds.push(id);
        logProbs.push(Math.log((weights[id] as number) / total));
      }
      return { tokenIds, logProbs };
    },
    gradient: (values: Float32Array, batch: TrainingBatch, loss: PolicyLoss) =>
      tf.tidy(() => {
        const { groups, totals, temperature, microBatches, rng: _noDropout, ...unread } = batch;
        unread satisfies NothingUnread;
        const columns = groups.map(columnsOf);
        const column = (name: "oldLogProbs" | "referenceLogProbs" | "samplerLogProbs") =>
          columns[0]?.[name] && {
            [name]: padded(
              columns.flatMap((group) => group[name] ?? []),
              T,
            ),
          };
        let metrics: Record<string, number> = {};
        let [logProbs, entropies]: [number[][], number[][]] = [[], []];
        const { value, grad } = tf.valueAndGrad((table) => {
          const now = forward(table, groups, temperature);
          const entropy = tf.neg(tf.sum(tf.mul(now.all, tf.exp(now.all)), 2)) as tf.Tensor2D;
          [logProbs, entropies] = [now.logProbs.arraySync(), entropy.arraySync()];
          const result = loss.compute({
            logProbs: now.logProbs,
            entropies: entropy,
            oldLogProbs: tf.tensor2d(logProbs),
            ...column("oldLogProbs"),
            ...column("referenceLogProbs"),
            ...column("samplerLogProbs"),
            advantages: tf.tensor1d(columns.flatMap(({ advantages }) => [...advantages])),
            mask: padded(
              columns.flatMap(({ tokenMasks }) => [...tokenMasks]),
              T,
            ),
            totalCompletions: tf.scalar(totals.completions),
            totalTokens: tf.scalar(totals.tokens),
            maxNewTokens: tf.scalar(totals.maxNewTokens),
            microBatches: tf.scalar(microBatches),
          });
          metrics = mapValues(result.metrics, (tensor) => tensor.arraySync());
          return result.loss;
        })(tf.tensor1d(values));
        return {
          loss: value.arraySync() as number,
          metrics,
          logProbs: byGroup(logProbs, groups),
          entropies: byGroup(entropies, groups),
          gradient: grad.dataSync<"float32">().slice(),
        };
      }),
  };
}

/** What a group brings for the loss. */
function columnsOf({ completions, ...group }: Omit<TrainingGroup, "sample">) {
  const { advantages, oldLogProbs, referenceLogProbs, samplerLogProbs, ...others } = group;
  const { tokenMasks = completions.map(({ tokenIds }) => tokenIds.map(() => 1)), ...unread } = others;
  unread satisfies NothingUnread;
  return { advantages, oldLogProbs, referenceLogProbs, samplerLogProbs, tokenMasks };
}

function fill(values: readonly number[], length: number): number[] {
  return Array.from({ length }, (_, t) => values[t] ?? 0);
}

function padded(rows: readonly (readonly number[])[], length: number): tf.Tensor2D {
  return tf.tensor2d(
    rows.map((values) => fill(values, length)),
    [rows.length, length],
  );
}

/** Rows of a batch, cut to the tokens that each completion has. */
function byGroup(rows: readonly (readonly number[])[], groups: readonly CompletionGroup[]): Float32Array[][] {
  let b = 0;
  return groups.map(({ completions }) =>
    completions.map(({ tokenIds }) => Float32Array.from((rows[b++] ?? []).slice(0, tokenIds.length))),
  );
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}

function prefixed<T>(prefix: string, record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [prefix + name, value]));
}
