import * as tf from "@tensorflow/tfjs";
import { z } from "zod";
import { clampExponent } from "./kl.ts";
import type { PolicyLossInputs } from "@vlmr1/policy";

/** How to correct for a sampler that is not quite the policy: another engine, another precision, older weights. */
export const SamplerCorrection = z.strictObject({
  level: z
    .enum(["token", "sequence"])
    .default("token")
    .describe("One weight for each token, or the product over a completion."),
  mode: z
    .enum(["truncate", "mask"])
    .default("truncate")
    .describe("Cut weights outside the range to its ends, or drop what lies outside."),
  max: z.number().positive().default(2).describe("Largest weight."),
  min: z.number().min(0).default(0).describe("Smallest weight; 0 is no lower limit."),
});
export type SamplerCorrection = z.output<typeof SamplerCorrection>;

/**
 * Importance weights pi_old / pi_sampler, truncated: they multiply the policy term of a loss, and carry no gradient.
 *
 * Truncated importance sampling (TIS): Yao et al., "Your efficient RL framework secretly brings you off-policy RL training",
 * https://fengyao.notion.site/off-policy-rl; level and mode as in TRL's `vllm_importance_sampling_mode`.
 */
export function samplerWeights(
  { oldLogProbs, samplerLogProbs, mask }: PolicyLossInputs,
  { level, mode, max, min }: SamplerCorrection,
): tf.Tensor2D | undefined {
  if (samplerLogProbs === undefined) return undefined;
  const difference = tf.mul(tf.sub(oldLogProbs, samplerLogProbs), mask) as tf.Tensor2D; // [B, T]
  const logWeight = level === "token" ? difference : (tf.sum(difference, 1, true) as tf.Tensor2D); // [B, T] or [B, 1]
  const weight = tf.exp(clampExponent(logWeight));
  if (mode === "truncate") return tf.clipByValue(weight, min, max);
  const inside = tf.logicalAnd(tf.greaterEqual(weight, min), tf.lessEqual(weight, max));
  return tf.where(inside, weight, tf.zerosLike(weight));
}
