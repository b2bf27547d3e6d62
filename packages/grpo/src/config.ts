import { z } from "zod";
import { RunOptions } from "./run-options.ts";

/** Configuration of a GRPO run. Every field has a default and a description: command line, file and documentation come from here. */
export const GrpoConfig = RunOptions.extend({
  promptsPerStep: z.int().min(1).default(16).describe("Prompts sampled in a step (P)."),
  groupSize: z.int().min(2).default(8).describe("Answers to each prompt (G)."),
  promptsPerMicroBatch: z
    .int()
    .min(1)
    .optional()
    .describe(
      "Prompts in one forward and backward; fewer need less memory, gradients add up; absent: all at once.",
    ),
  minibatches: z.int().min(1).default(1).describe("Updates that one pass over a step's answers is cut into."),
  iterations: z.int().min(1).default(1).describe("Passes over a step's answers (mu); 1 is on-policy."),

  maxNewTokens: z.int().min(1).default(256).describe("Longest answer, in tokens."),
  temperature: z
    .number()
    .gt(0)
    .default(1)
    .describe("Sampling temperature; log-probabilities are taken at it too."),
  topK: z.int().min(1).optional().describe("Sample among the k likeliest tokens; absent: all."),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe("Sample among the likeliest tokens that hold this probability."),
  minP: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Sample among tokens with this fraction of the likeliest's probability."),
  repetitionPenalty: z
    .number()
    .positive()
    .optional()
    .describe("Divides the logits of tokens already seen; 1 is none."),
  stop: z.array(z.string()).optional().describe("Texts that end an answer."),

  scale: z
    .enum(["group", "batch", "none"])
    .default("group")
    .describe(
      "Divide advantages by the deviation of the group (GRPO), of the batch, or by nothing (Dr. GRPO).",
    ),
  baseline: z
    .enum(["mean", "leave-one-out"])
    .default("mean")
    .describe("Compare an answer with its group's mean, or with the mean of the others (RLOO)."),
  combine: z
    .enum(["sum-then-normalize", "normalize-then-sum"])
    .default("sum-then-normalize")
    .describe("Add rewards first, or normalise each inside its group first (GDPO)."),
  rewardWeights: z
    .record(z.string(), z.number())
    .default({})
    .describe("normalize-then-sum: weight of each reward by name; 1 where absent."),
  skipConstantGroups: z
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
  maskTruncated: z.boolean().default(false).describe("Learn nothing from answers that were cut off."),

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
  scoreConcurrency: z
    .int()
    .min(1)
    .default(64)
    .describe("Completions scored at once, for rewards that wait for a server."),
});
export type GrpoConfig = z.output<typeof GrpoConfig>;
