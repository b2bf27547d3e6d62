import { z } from "zod";
import { defaultGuards, Guard } from "./guards.ts";
import { ScheduleOptions } from "./optimizer/schedule.ts";

/** What every run has, whatever it trains on. */
export const RunOptions = z.strictObject({
  steps: z.int().min(1).default(300).describe("Steps of the run; one step is one batch of prompts."),
  seed: z.int().default(0).describe("Everything random follows from it: the same seed, the same run."),
  learningRate: z.number().min(0).default(1e-6).describe("Peak learning rate."),
  schedule: ScheduleOptions.prefault({}).describe("How the learning rate moves."),
  maxGradientNorm: z
    .number()
    .min(0)
    .default(1)
    .describe("Gradients with a larger global norm are scaled down to it; 0 never clips."),
  guards: z
    .array(Guard)
    .prefault([...defaultGuards])
    .describe("Rules that warn, roll back, or stop."),
  rollbackRate: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe(
      "The learning rate is multiplied by this at every rollback, so that the same road is not taken again.",
    ),
  checkpointEvery: z
    .int()
    .min(0)
    .default(50)
    .describe("Steps between checkpoints; 0 writes only at the end."),
  keepCheckpoints: z.int().min(1).default(2).describe("Newest checkpoints to keep, beside the best one."),
  bestMetric: z
    .string()
    .optional()
    .describe(
      "The metric whose largest value marks the best checkpoint, such as eval/reward; absent: none is best.",
    ),
  evaluateEvery: z.int().min(0).default(0).describe("Steps between evaluations; 0 never evaluates."),
  earlyStop: z
    .strictObject({
      metric: z.string().default("eval/reward").describe("The metric to watch; larger is better."),
      patience: z
        .int()
        .min(1)
        .default(5)
        .describe("Measurements without improvement after which the run ends."),
      minimum: z.number().min(0).default(0).describe("What counts as an improvement."),
      target: z.number().optional().describe("The run ends as soon as the metric reaches this."),
    })
    .optional()
    .describe("When to end before `steps`; absent: never."),
});
export type RunOptions = z.output<typeof RunOptions>;
