import { createRng, VlmR1Error, type Dataset, type Rng, type Sample } from "@vlmr1/core";
import type { z } from "zod";
import { supervisedLoss } from "./loss/supervised.ts";
import type { Optimizer, Policy, TrainingGroup } from "@vlmr1/policy";
import { adamW } from "./optimizer/adam.ts";
import { parseOptions } from "./options.ts";
import { scheduleFrom, type Schedule } from "./optimizer/schedule.ts";
import { SftConfig } from "./config.ts";
import { splitByLength, splitEvenly } from "./rollout/minibatches.ts";
import { createPromptChooser } from "./rollout/prompts.ts";
import { createStopwatch, type Progress, type RunSummary, type StepReport } from "./run/report.ts";
import { runSteps, type RunSettings, type StepOutcome } from "./run/run.ts";
import { optimizerUpdate, updateMetrics, type UpdateTools } from "./update.ts";

/** What {@link finetune} needs. */
export interface FinetuneOptions extends Omit<RunSettings, "config"> {
  /** Samples with an `answer`. */
  readonly dataset: Dataset;
  readonly config?: z.input<typeof SftConfig>;
  /** {@link adamW} with PyTorch's defaults when absent. */
  readonly optimizer?: Optimizer;
}

interface SftTools extends UpdateTools {
  readonly batches: (step: number) => Promise<TrainingGroup[]>;
  readonly schedule: Schedule;
  readonly config: SftConfig;
  readonly rng: Rng;
}

/**
 * Supervised fine-tuning: the policy imitates each sample's `answer`. Same data, same policy, same reports as {@link train}.
 *
 * @throws VlmR1Error `invalid-data` when a sample has no answer; otherwise as {@link train}.
 */
export async function* finetune(options: FinetuneOptions): AsyncGenerator<StepReport, RunSummary, void> {
  const config = parseOptions(SftConfig, options.config ?? {}, "SFT configuration");
  const { policy, dataset } = options;
  const rng = createRng(config.seed);
  const tools: SftTools = {
    policy,
    loss: supervisedLoss(),
    optimizer: options.optimizer ?? adamW(),
    batches: bucketedBatches(dataset, policy, config, rng.fork("prompts")),
    schedule: scheduleFrom(config.schedule, config.steps),
    config,
    rng,
  };
  return yield* runSteps({ ...options, config }, (progress) => sftStep(tools, progress));
}

async function sftStep(tools: SftTools, progress: Progress): Promise<StepOutcome> {
  const { config, schedule } = tools;
  const watch = createStopwatch(["data", "sample", "score", "logProbs", "update"]);
  const groups = await watch.time("data", () => tools.batches(progress.step));
  progress.promptsDrawn += groups.length;
  const lengths = groups.map((group) => group.completions[0]?.tokenIds.length ?? 0);
  const totals = {
    completions: groups.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    maxNewTokens: config.maxAnswerTokens,
  };
  const learningRate = config.learningRate * schedule(progress.scheduled++) * progress.rateFactor;
  const update = await watch.time("update", () =>
    optimizerUpdate(tools, splitByLength(groups, config.samplesPerMicroBatch ?? config.batchSize), {
      totals,
      temperature: 1,
      learningRate,
      maxGradientNorm: config.maxGradientNorm,
      step: progress.updates,
      rng: tools.rng.fork(`step-${progress.step}`),
    }),
  );
  if (update.applied) progress.updates++;
  const length = {
    "completion/length": totals.tokens / groups.length,
    "completion/longest": Math.max(...lengths),
  };
  return {
    updates: [update],
    metrics: { ...updateMetrics([update], learningRate), ...length },
    groups: [],
    seconds: watch.seconds,
  };
}

/**
 * Batches whose answers are of like length: the samples of `bucketBatches` batches are drawn together, sorted by length, cut, and the
 * batches are given out in random order. A function of the step alone, so that a resumed run sees the same batches.
 */
function bucketedBatches(dataset: Dataset, policy: Policy, config: SftConfig, rng: Rng) {
  const { batchSize, bucketBatches, order } = config;
  const chooser = createPromptChooser({ length: dataset.length, order, rng });
  let bucket: { readonly number: number; readonly batches: TrainingGroup[][] } | undefined;
  return async (step: number): Promise<TrainingGroup[]> => {
    const number = Math.floor(step / bucketBatches);
    if (bucket?.number !== number) {
      const position = { step, promptsDrawn: number * bucketBatches * batchSize, prompts: {} };
      const indices = chooser.draw(position, bucketBatches * batchSize);
      const samples = await Promise.all(indices.map((index) => dataset.get(index)));
      const groups = samples.map((sample) => answerGroup(sample, policy, config.maxAnswerTokens));
      const length = ({ completions }: TrainingGroup) => completions[0]?.tokenIds.length ?? 0;
      const sorted = bucketBatches === 1 ? groups : groups.toSorted((a, b) => length(a) - length(b));
      const batches = splitEvenly(sorted, bucketBatches);
      bucket = {
        number,
        batches: bucketBatches === 1 ? batches : rng.fork(`bucket-${number}`).shuffled(batches),
      };
    }
    return bucket.batches[step % bucketBatches] as TrainingGroup[];
  };
}

function answerGroup(sample: Sample, policy: Policy, maxTokens: number): TrainingGroup {
  if (sample.answer === undefined) {
    throw new VlmR1Error(
      "invalid-data",
      `Sample ${sample.id} has no answer: supervised fine-tuning needs one to imitate.`,
    );
  }
  const tokenIds = policy.tokenizeCompletion(sample.answer).slice(0, maxTokens);
  return { sample, completions: [{ tokenIds }], advantages: [1] };
}
