import { VlmR1Error } from "@vlmr1/core";

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
