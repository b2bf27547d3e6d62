import * as tf from "@tensorflow/tfjs";
import type { Sample } from "@vlmr1/core";
import {
  clipFactor,
  type CompletionGroup,
  type ParameterLayout,
  type Policy,
  type PolicyState,
} from "@vlmr1/policy";

export interface FakePolicyOptions {
  /** Prompts have ids "0", "1", …. */
  readonly prompts?: number;
  /** The words an answer is made of; "." ends it. */
  readonly words?: readonly string[];
  readonly maxLength?: number;
}

/** A policy without a model: a table of logits, one row for each prompt and position, trained by TensorFlow.js as it is. */
export function fakePolicy({
  prompts = 1,
  words = ["a", "b", "c", "d"],
  maxLength = 1,
}: FakePolicyOptions = {}): Policy {
  const [V, T] = [words.length, maxLength];
  const size = prompts * T * V;
  const layout: ParameterLayout = {
    size,
    spans: [{ path: "table", shape: [prompts * T, V], offset: 0, size }],
  };
  const state: Record<string, Float32Array> = {
    parameters: new Float32Array(size),
    reference: new Float32Array(size),
  };
  const gradient = new Float32Array(size);
  const row = ({ id }: Sample) => Number(id) % prompts;

  /** log pi of every word at every position of each completion, [B, T, V], and which words were written. */
  const forward = (table: tf.Tensor, groups: readonly CompletionGroup[], temperature: number) => {
    const answers = groups.flatMap(({ sample, completions }) =>
      completions.map(({ tokenIds }) => ({ sample, tokenIds })),
    );
    const rows = tf.gather(
      tf.reshape(table, [prompts, T, V]),
      answers.map(({ sample }) => row(sample)),
    );
    const all = tf.logSoftmax(tf.div(rows, temperature));
    const ids = answers.map(({ tokenIds }) => Array.from({ length: T }, (_, t) => tokenIds[t] ?? 0));
    return {
      all,
      logProbs: tf.sum(tf.mul(all, tf.oneHot(tf.tensor2d(ids, undefined, "int32"), V)), 2) as tf.Tensor2D,
    };
  };
  const byGroup = (flat: number[][], groups: readonly CompletionGroup[]) => {
    let b = 0;
    return groups.map(({ completions }) =>
      completions.map(({ tokenIds }) => Float32Array.from((flat[b++] ?? []).slice(0, tokenIds.length))),
    );
  };
  const logProbsUnder =
    (name: string) => async (groups: readonly CompletionGroup[], options: { temperature: number }) =>
      byGroup(
        tf.tidy(() =>
          forward(tf.tensor1d(state[name] as Float32Array), groups, options.temperature).logProbs.arraySync(),
        ),
        groups,
      );
  const padded = (rows: readonly (readonly number[])[]) =>
    tf.tensor2d(rows.map((values) => Array.from({ length: T }, (_, t) => values[t] ?? 0)));

  return {
    complete: async (samples, { count, rng, promptNumbers, temperature = 1, maxNewTokens = T }) =>
      samples.map((sample, i) =>
        Array.from({ length: count }, (_, answer) => {
          const noise = rng.fork(`${promptNumbers?.[i] ?? i}/${answer}`);
          const [tokenIds, logProbs]: [number[], number[]] = [[], []];
          while (tokenIds.length < Math.min(T, maxNewTokens) && words[tokenIds.at(-1) ?? -1] !== ".") {
            const start = (row(sample) * T + tokenIds.length) * V;
            const logits = Array.from((state["parameters"] as Float32Array).subarray(start, start + V));
            const weights = logits.map((value) =>
              Math.exp((value - Math.max(...logits)) / (temperature || 1e-6)),
            );
            const total = weights.reduce((sum, value) => sum + value, 0);
            let target = noise.uniform() * total;
            const id = Math.max(
              0,
              weights.findIndex((value) => (target -= value) < 0),
            );
            tokenIds.push(id);
            logProbs.push(Math.log((weights[id] as number) / total));
          }
          const text = tokenIds.map((id) => words[id]).join("");
          const ended = !words.includes(".") || text.endsWith(".");
          return { text, tokenIds, logProbs, finishReason: ended ? ("stop" as const) : ("length" as const) };
        }),
      ),
    logProbs: logProbsUnder("parameters"),
    referenceLogProbs: logProbsUnder("reference"),
    accumulate: async ({ groups, totals, temperature, microBatches }, loss) =>
      tf.tidy(() => {
        const column = <Name extends "oldLogProbs" | "referenceLogProbs" | "samplerLogProbs">(name: Name) =>
          groups[0]?.[name] &&
          ({ [name]: padded(groups.flatMap((group) => group[name] ?? [])) } as Record<Name, tf.Tensor2D>);
        const ones = groups.map((group) => group.completions.map(({ tokenIds }) => tokenIds.map(() => 1)));
        let metrics: Record<string, number> = {};
        let logProbs: number[][] = [];
        const { value, grad } = tf.valueAndGrad((table) => {
          const now = forward(table, groups, temperature);
          logProbs = now.logProbs.arraySync();
          const result = loss.compute({
            logProbs: now.logProbs,
            entropies: tf.neg(tf.sum(tf.mul(now.all, tf.exp(now.all)), 2)) as tf.Tensor2D,
            oldLogProbs: tf.tensor2d(logProbs),
            ...column("oldLogProbs"),
            ...column("referenceLogProbs"),
            ...column("samplerLogProbs"),
            advantages: tf.tensor1d(groups.flatMap(({ advantages }) => advantages)),
            mask: padded(groups.flatMap(({ tokenMasks }, g) => tokenMasks ?? (ones[g] as number[][]))),
            totalCompletions: tf.scalar(totals.completions),
            totalTokens: tf.scalar(totals.tokens),
            maxNewTokens: tf.scalar(totals.maxNewTokens),
            microBatches: tf.scalar(microBatches),
          });
          metrics = Object.fromEntries(
            Object.entries(result.metrics).map(([name, tensor]) => [name, tensor.arraySync()]),
          );
          return result.loss;
        })(tf.tensor1d(state["parameters"] as Float32Array));
        grad.dataSync().forEach((part, i) => (gradient[i] = (gradient[i] as number) + part));
        return { loss: value.arraySync() as number, metrics, logProbs: byGroup(logProbs, groups) };
      }),
    apply: async (optimizer, { maxGradientNorm, combineGradient, ...update }) => {
      await combineGradient?.(gradient);
      return tf.tidy(() => {
        const raw = tf.tensor1d(gradient.slice());
        gradient.fill(0);
        const gradientNorm = tf.norm(raw).arraySync() as number;
        if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false };
        const slot = (name: string) => (state[`slot/${name}`] ??= new Float32Array(size));
        const tensors = (record: Readonly<Record<string, Float32Array | number>>) =>
          Object.fromEntries(Object.entries(record).map(([name, value]) => [name, tf.tensor(value)]));
        const next = optimizer.update(
          {
            gradients: tf.mul(raw, clipFactor(gradientNorm, maxGradientNorm)),
            parameters: tf.tensor1d(state["parameters"] as Float32Array),
            state: tensors(
              Object.fromEntries(optimizer.stateNames.map((name) => [name, slot(name)])),
            ) as Record<string, tf.Tensor1D>,
            scalars: tensors(optimizer.scalars(update)) as Record<string, tf.Scalar>,
            constants: tensors(optimizer.constants(layout)) as Record<string, tf.Tensor1D>,
          },
          layout,
        );
        state["parameters"] = next.parameters.dataSync<"float32">().slice();
        for (const [name, value] of Object.entries(next.state))
          state[`slot/${name}`] = value.dataSync<"float32">().slice();
        return { gradientNorm, applied: true };
      });
    },
    discard: () => void gradient.fill(0),
    syncReference: async (mix) => {
      const { parameters, reference } = state as { parameters: Float32Array; reference: Float32Array };
      state["reference"] = reference.map((value, i) => mix * (parameters[i] as number) + (1 - mix) * value);
    },
    snapshot: async () =>
      Object.fromEntries(Object.entries(state).map(([name, values]) => [name, values.slice()])),
    restore: async (saved: PolicyState) => {
      for (const name of Object.keys(state)) delete state[name];
      for (const [name, values] of Object.entries(saved)) state[name] = values.slice();
    },
    save: async () => undefined,
    tokenizeCompletion: (text) => [...text].map((word) => words.indexOf(word)),
  };
}

/** Prompts "0", "1", … without pictures. */
export function fakeDataset(length: number, answer?: (index: number) => string) {
  return {
    length,
    get: async (index: number): Promise<Sample<undefined>> => ({
      id: String(index),
      prompt: `prompt ${index}`,
      images: [],
      target: undefined,
      ...(answer && { answer: answer(index) }),
    }),
  };
}
