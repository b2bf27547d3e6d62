import * as tf from "@tensorflow/tfjs-core";
import { type Rng, VlmR1Error } from "@vlmr1/core";
import { drawFromWeights } from "@vlmr1/engine";
import { z } from "zod";
import { parseConfig } from "../weights/documents.ts";

/** How the next token is drawn; the processors of transformers, in its order. */
export interface SamplingOptions {
  /** 0 is greedy, 1 the model's own distribution. At least 0. */
  readonly temperature: number;
  /** Only the K likeliest tokens (and those that tie with the last of them); 0: all. */
  readonly topK: number;
  /** The fewest tokens whose probabilities reach this; in (0, 1], 1: all. https://arxiv.org/abs/1904.09751 */
  readonly topP: number;
  /** Only tokens at least this share as likely as the likeliest; in [0, 1], 0: all. https://arxiv.org/abs/2407.01082 */
  readonly minP: number;
  /** Divides positive and multiplies negative logits of tokens already seen; above 0, 1: off. https://arxiv.org/abs/1909.05858 */
  readonly repetitionPenalty: number;
}

/** The model's own distribution. */
export const PLAIN_SAMPLING: SamplingOptions = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
};

/** @throws VlmR1Error `invalid-argument` that names the option outside its range. */
export function checkSampling(options: SamplingOptions): void {
  const { temperature, topK, topP, minP, repetitionPenalty } = options;
  const rules: readonly (readonly [boolean, string])[] = [
    [temperature >= 0 && temperature < Infinity, `temperature must be at least 0, got ${temperature}`],
    [Number.isInteger(topK) && topK >= 0, `topK must be a whole number, 0 for no limit, got ${topK}`],
    [topP > 0 && topP <= 1, `topP must be above 0 and at most 1, got ${topP}`],
    [minP >= 0 && minP <= 1, `minP must be in 0..1, got ${minP}`],
    [
      repetitionPenalty > 0 && repetitionPenalty < Infinity,
      `repetitionPenalty must be above 0, got ${repetitionPenalty}`,
    ],
  ];
  const broken = rules.find(([right]) => !right);
  if (broken) throw new VlmR1Error("invalid-argument", `Sampling: ${broken[1]}.`);
}

/** Whether the graph can draw the token itself: temperature only. */
export function isPlainSampling({
  topK,
  topP,
  minP,
  repetitionPenalty,
  temperature,
}: SamplingOptions): boolean {
  return temperature === 0
    ? repetitionPenalty === 1
    : topK === 0 && topP === 1 && minP === 0 && repetitionPenalty === 1;
}

/** How a checkpoint's makers sample from it, and where it stops. */
export interface GenerationConfig {
  /** Tokens that end a completion; may be empty. */
  readonly stopTokenIds: readonly number[];
  /** Token that fills the rest of a batch. */
  readonly padTokenId: number;
  /** 0 when the makers decode greedily. */
  readonly temperature: number;
  /** 0: no limit. */
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly maxNewTokens?: number;
}

const id = z.int().min(0);

const ids = id.or(z.array(id)).nullish();

const fields = z.looseObject({
  eos_token_id: ids,
  pad_token_id: id.nullish(),
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).nullish(),
  top_k: z.int().nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.int().min(1).nullish(),
});

const modelFields = z.looseObject({
  eos_token_id: ids,
  pad_token_id: id.nullish(),
  text_config: z.looseObject({ eos_token_id: ids, pad_token_id: id.nullish() }).nullish(),
});

/**
 * Reads a parsed `generation_config.json`, which may be missing: `config.json` then names the stop tokens, as the last resort the
 * tokenizer's `eos_token` (`fallbackStop`).
 *
 * @throws VlmR1Error `invalid-data` for a field outside its range.
 */
export function readGenerationConfig(
  generation: unknown,
  config: unknown,
  fallbackStop: number | undefined,
): GenerationConfig {
  const given = parseConfig(fields, generation ?? {}, "generation_config.json");
  const model = parseConfig(modelFields, config, "config.json");
  const stop =
    given.eos_token_id ?? model.eos_token_id ?? model.text_config?.eos_token_id ?? fallbackStop ?? [];
  const stopTokenIds = Array.isArray(stop) ? stop : [stop];
  const pad =
    given.pad_token_id ?? model.pad_token_id ?? model.text_config?.pad_token_id ?? stopTokenIds[0] ?? 0;
  return {
    stopTokenIds,
    padTokenId: pad,
    temperature: given.do_sample === true ? (given.temperature ?? 1) : 0,
    topK: Math.max(0, given.top_k ?? 0),
    topP: given.top_p ?? 1,
    minP: given.min_p ?? 0,
    repetitionPenalty: given.repetition_penalty ?? 1,
    ...(typeof given.max_new_tokens === "number" ? { maxNewTokens: given.max_new_tokens } : {}),
  };
}

/** Options of `generate` with the checkpoint's own where they are silent. */
export function resolveSampling(
  options: Partial<SamplingOptions>,
  generation: GenerationConfig,
): SamplingOptions {
  return {
    temperature: options.temperature ?? generation.temperature,
    topK: options.topK ?? generation.topK,
    topP: options.topP ?? generation.topP,
    minP: options.minP ?? generation.minP,
    repetitionPenalty: options.repetitionPenalty ?? generation.repetitionPenalty,
  };
}

/** @throws VlmR1Error `invalid-argument` when sampling lacks its source of randomness. */
export function requireRng(rng: Rng | undefined): Rng {
  if (rng) return rng;
  throw new VlmR1Error(
    "invalid-argument",
    "Sampling needs `rng`, for example createRng(seed). For greedy completions set temperature: 0.",
  );
}

/** Drawn tokens of B rows. */
export interface Drawn {
  /** int32 `[B]` */
  readonly ids: tf.Tensor1D;
  /** log p under the tempered distribution, `[B]`; 0 when greedy. */
  readonly logProbs: tf.Tensor1D;
  /** log p under the model's own distribution, `[B]`. */
  readonly rawLogProbs: tf.Tensor1D;
}

function logSumExp(table: tf.Tensor, top: tf.Tensor): tf.Tensor {
  return tf.add(top, tf.log(tf.sum(tf.exp(tf.sub(table, top)), -1, true))); // [B, 1]
}

/** The likeliest tokens of `logits` `[B, V]`. */
export function pickGreedy(logits: tf.Tensor2D): Drawn {
  const top = tf.max(logits, -1, true);
  const rawLogProbs = tf.reshape(tf.sub(top, logSumExp(logits, top)), [-1]) as tf.Tensor1D;
  return { ids: tf.argMax(logits, -1), logProbs: tf.zerosLike(rawLogProbs), rawLogProbs };
}

/** Draws from `softmax(logits / temperature)` by inversion of the cumulative distribution at one uniform number a row, `[B]`. */
export function pickSampled(logits: tf.Tensor2D, uniforms: tf.Tensor1D, temperature: tf.Tensor): Drawn {
  const top = tf.max(logits, -1, true);
  const tempered = tf.div(logits, temperature); // [B, V]
  const temperedTop = tf.div(top, temperature);
  const ids = drawFromWeights(tf.exp(tf.sub(tempered, temperedTop)), uniforms);
  const chosen = tf.gather(logits, ids, 1, 1); // [B]
  const logProb = (logit: tf.Tensor, normalizer: tf.Tensor): tf.Tensor1D =>
    tf.sub(logit, tf.reshape(normalizer, [-1])) as tf.Tensor1D;
  return {
    ids,
    logProbs: logProb(tf.div(chosen, temperature), logSumExp(tempered, temperedTop)),
    rawLogProbs: logProb(chosen, logSumExp(logits, top)),
  };
}

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
 * Logits after the processors of transformers in its order: repetition penalty, temperature, top-k, top-p, min-p. Removed tokens
 * are -Infinity. `seen` are the ids of prompt and completion so far.
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
