import { alone, createRng, type CompletionModel, type Dataset, type ScoreFunction } from "@vlmr1/core";
import type { z } from "zod";
import { GrpoConfig } from "./config.ts";
import { grpoLoss } from "./loss/grpo.ts";
import type { Optimizer, PolicyLoss } from "@vlmr1/policy";
import { adamW } from "./optimizer/adam.ts";
import { parseOptions } from "./options.ts";
import { createPromptChooser, type PromptWeight } from "./rollout/prompts.ts";
import { dataParallel } from "./run/data-parallel.ts";
import type { RunSummary, StepReport } from "./run/report.ts";
import { runSteps, type RunSettings } from "./run/run.ts";
import { scheduleFrom } from "./optimizer/schedule.ts";
import { grpoStep, type GrpoTools } from "./step.ts";

/** What {@link train} needs. */
export interface TrainOptions<Target> extends Omit<RunSettings, "config"> {
  readonly dataset: Dataset<Target>;
  /** What an answer is worth. `weightedSum` of @vlmr1/rewards makes one; it sees the step, so rewards may follow a schedule. */
  readonly score: ScoreFunction<Target>;
  readonly config?: z.input<typeof GrpoConfig>;
  /** Who answers; the policy itself when absent. */
  readonly sampler?: CompletionModel;
  /** A loss value: {@link grpoLoss} when absent. */
  readonly loss?: PolicyLoss;
  /** {@link adamW} with PyTorch's defaults when absent. */
  readonly optimizer?: Optimizer;
  /** A curriculum: how likely each prompt is at each step. */
  readonly promptWeight?: PromptWeight;
}

/**
 * Trains a policy with GRPO, one report a step.
 *
 *     for await (const report of train({ policy, dataset, score, config })) console.log(report.metrics["reward/mean"]);
 *
 * Logging and everything else that follows a step are the caller's own statements; `break` ends the run cleanly. The same seed gives
 * the same run, and a run that is resumed continues as if it had never stopped. With `peers`, each rank rolls out, scores and
 * differentiates its share of the prompts: every rank calls `train` with the same arguments, and gets the same reports but for seconds.
 *
 * @throws VlmR1Error `invalid-argument` for a wrong configuration, `reward-failed` when a reward throws, `unavailable` when the sampler is
 * gone, `diverged` after three dropped updates in a row.
 */
export async function* train<Target>(
  options: TrainOptions<Target>,
): AsyncGenerator<StepReport<Target>, RunSummary, void> {
  const config = parseOptions(GrpoConfig, options.config ?? {}, "GRPO configuration");
  const { dataset, score, signal, promptWeight, peers = alone } = options;
  const owners: GrpoTools<Target>["owners"] = new WeakMap();
  const policy = dataParallel(options.policy, peers, owners);
  const rng = createRng(config.seed);
  const prompts = createPromptChooser({
    length: dataset.length,
    order: config.promptOrder,
    rng: rng.fork("prompts"),
    ...(promptWeight && { weight: promptWeight }),
  });
  const tools = {
    policy,
    sampler: options.sampler ?? policy,
    dataset,
    prompts,
    score,
    loss: options.loss ?? grpoLoss(),
    optimizer: options.optimizer ?? adamW(),
    schedule: scheduleFrom(config.schedule, config.steps * config.minibatches * config.iterations),
    config,
    rng,
    peers,
    owners,
    ...(signal && { signal }),
  };
  return yield* runSteps({ ...options, config }, (progress) => grpoStep(tools, progress));
}
