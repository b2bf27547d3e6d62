import { z } from "zod";
import { SamplerCorrection } from "./sampler-correction.ts";

/** What every loss variant can do beside its own surrogate. */
export const LossOptions = z.strictObject({
  beta: z
    .number()
    .min(0)
    .default(0.04)
    .describe(
      "Weight of the KL term that holds the policy near its reference; 0 leaves it out and needs no reference.",
    ),
  kl: z.enum(["k1", "k2", "k3"]).default("k3").describe("Estimator of the KL term."),
  biasCorrectedKl: z
    .boolean()
    .default(false)
    .describe("Multiply the KL term by the importance ratio, which makes its gradient unbiased off-policy."),
  entropyCoefficient: z
    .number()
    .default(0)
    .describe("Weight of a bonus for the policy's entropy; 0 is none."),
  topEntropy: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe("Fraction of tokens, the least certain ones, that the policy term learns from; 1 is all."),
  offPolicyThreshold: z
    .number()
    .optional()
    .describe(
      "Drop bad answers whose mean log-probability fell by more than this since sampling, in nats; absent: keep.",
    ),
  samplerCorrection: SamplerCorrection.optional().describe(
    "Importance weights for a sampler that is not the policy; absent: trust the sampler.",
  ),
  reportEntropy: z.boolean().default(true).describe("Measure the policy's entropy for reports and guards."),
});
export type LossOptions = z.output<typeof LossOptions>;

/** Options of the losses that clip the importance ratio as PPO does. */
export const ClippedLossOptions = LossOptions.extend({
  clipLow: z.number().min(0).default(0.2).describe("The ratio is clipped below 1 - clipLow."),
  clipHigh: z.number().min(0).default(0.2).describe("The ratio is clipped above 1 + clipHigh (DAPO: 0.28)."),
  delta: z
    .number()
    .gt(1)
    .optional()
    .describe(
      "Cap of the ratio for bad answers, whose term is otherwise unbounded (two-sided clipping); absent: none.",
    ),
  ratioLevel: z
    .enum(["token", "sequence"])
    .default("token")
    .describe("One ratio for each token, or one for each completion (GSPO)."),
});
export type ClippedLossOptions = z.output<typeof ClippedLossOptions>;
