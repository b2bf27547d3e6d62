import { z } from "zod";
import { RunOptions } from "./run-options.ts";

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
