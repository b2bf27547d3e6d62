import { z } from "zod";
import { AdvantageOptions } from "./rollout/advantages.ts";
import { RolloutOptions } from "./rollout/rollout.ts";
import { RunOptions } from "./run/run.ts";

/** Configuration of a GRPO run. Every field has a default and a description: command line, file and documentation come from here. */
export const GrpoConfig = RunOptions.extend({
  promptsPerStep: z.int().min(1).default(16).describe("Prompts sampled in a step (P)."),
  ...RolloutOptions.shape,
  ...AdvantageOptions.shape,
  promptsPerMicroBatch: z
    .int()
    .min(1)
    .optional()
    .describe(
      "Prompts in one forward and backward; fewer need less memory, gradients add up; absent: all at once.",
    ),
  minibatches: z.int().min(1).default(1).describe("Updates that one pass over a step's answers is cut into."),
  iterations: z.int().min(1).default(1).describe("Passes over a step's answers (mu); 1 is on-policy."),

  skipZeroVarianceGroups: z
    .boolean()
    .default(true)
    .describe(
      "Leave groups whose rewards are all equal out of forward and backward; with beta 0 nothing changes but time.",
    ),
  resampleRounds: z
    .int()
    .min(0)
    .default(0)
    .describe("How often to draw other prompts in place of constant groups (DAPO's dynamic sampling)."),

  promptOrder: z
    .enum(["shuffled", "sequential", "difficulty"])
    .default("shuffled")
    .describe("Epochs in random order, in order, or more often where answers still differ."),
  referenceSync: z
    .strictObject({
      every: z.int().min(1).default(512).describe("Steps between moves of the reference."),
      mix: z.number().gt(0).max(1).default(0.6).describe("How far it moves towards the policy; 1 copies it."),
    })
    .optional()
    .describe("Let the reference follow the policy (TR-DPO); absent: it stays."),
  measureKlEvery: z
    .int()
    .min(0)
    .default(0)
    .describe("With beta 0: steps between measurements of the KL to the reference; 0 never measures."),
});
export type GrpoConfig = z.output<typeof GrpoConfig>;

/** Configuration of supervised fine-tuning. */
export const SftConfig = RunOptions.extend({
  batchSize: z.int().min(1).default(32).describe("Samples in a step."),
  samplesPerMicroBatch: z
    .int()
    .min(1)
    .optional()
    .describe(
      "Samples in one forward and backward; fewer need less memory, gradients add up; absent: all at once.",
    ),
  order: z
    .enum(["shuffled", "sequential"])
    .default("shuffled")
    .describe("Epochs in random order, or in order."),
  bucketBatches: z
    .int()
    .min(1)
    .default(8)
    .describe(
      "Batches drawn together and cut by length of answer, so that little is padded; 1 keeps the drawn order.",
    ),
  maxAnswerTokens: z.int().min(1).default(1024).describe("Longer answers are cut."),
});
export type SftConfig = z.output<typeof SftConfig>;
