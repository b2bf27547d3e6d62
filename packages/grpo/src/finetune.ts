import { alone, createRng, VlmR1Error, type Dataset, type Peers, type Rng, type Sample } from "@vlmr1/core";
import type { z } from "zod";
import { supervisedLoss } from "./loss/supervised.ts";
import type { Optimizer, Policy, TrainingGroup } from "@vlmr1/policy";
import { adamW } from "./optimizer/adam.ts";
import { parseOptions } from "./options.ts";
import { scheduleFrom, type Schedule } from "./optimizer/schedule.ts";
import { SftConfig } from "./config.ts";
import { splitByLength, splitEvenly } from "./rollout/minibatches.ts";
import { createPromptChooser } from "./rollout/prompts.ts";
import { dataParallel } from "./run/data-parallel.ts";
import { ownShare, shareResults, sharesOf, withoutPixels } from "./run/ranks.ts";
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
  readonly dataset: Dataset;
  readonly peers: Peers;
  readonly batches: (step: number) => Promise<AnswerGroup[]>;
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
  const { dataset, peers = alone } = options;
  const policy = dataParallel(options.policy, peers, { get: () => undefined });
  const rng = createRng(config.seed);
  const tools: SftTools = {
    policy,
    dataset,
    peers,
    loss: supervisedLoss(),
    optimizer: options.optimizer ?? adamW(),
    batches: bucketedBatches({ dataset, policy, config, peers, rng: rng.fork("prompts") }),
    schedule: scheduleFrom(config.schedule, config.steps),
    config,
    rng,
  };
  return yield* runSteps({ ...options, config }, (progress) => sftStep(tools, progress));
}

async function sftStep(tools: SftTools, progress: Progress): Promise<StepOutcome> {
  const { config, schedule } = tools;
  const watch = createStopwatch(["data", "sample", "score", "logProbs", "update"]);
  const { groups, microBatches } = await watch.time("data", async () => {
    const batch = await tools.batches(progress.step);
    return { groups: batch, microBatches: await readMicroBatches(tools, batch) };
  });
  progress.promptsDrawn += groups.length;
  const lengths = groups.map((group) => group.completions[0]?.tokenIds.length ?? 0);
  const totals = {
    completions: groups.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    maxNewTokens: config.maxAnswerTokens,
  };
  const learningRate = config.learningRate * schedule(progress.scheduled++) * progress.rateFactor;
  const update = await watch.time("update", () =>
    optimizerUpdate(tools, microBatches, {
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

interface Batching {
  readonly dataset: Dataset;
  readonly policy: Policy;
  readonly config: SftConfig;
  readonly peers: Peers;
  readonly rng: Rng;
}

/** A sample with the answer to imitate, and where in the dataset it is. */
type AnswerGroup = TrainingGroup & { readonly index: number };

/**
 * Batches whose answers are of like length: the samples of `bucketBatches` batches are drawn together, sorted by length, cut, and the
 * batches are given out in random order. A function of the step alone, so that a resumed run sees the same batches.
 */
function bucketedBatches({ dataset, policy, config, peers, rng }: Batching) {
  const { batchSize, bucketBatches, order } = config;
  const chooser = createPromptChooser({ length: dataset.length, order, rng });
  let bucket: { readonly number: number; readonly batches: AnswerGroup[][] } | undefined;
  return async (step: number): Promise<AnswerGroup[]> => {
    const number = Math.floor(step / bucketBatches);
    if (bucket?.number !== number) {
      const position = { step, promptsDrawn: number * bucketBatches * batchSize, prompts: {} };
      const indices = chooser.draw(position, bucketBatches * batchSize);
      const samples = await readShared(dataset, indices, peers);
      const groups = samples.map((sample, i) => ({
        ...answerGroup(sample, policy, config.maxAnswerTokens),
        index: indices[i] as number,
      }));
      const length = ({ completions }: TrainingGroup) => completions[0]?.tokenIds.length ?? 0;
      const sorted = bucketBatches === 1 ? groups : groups.toSorted((a, b) => length(a) - length(b));
      const batches = splitEvenly(sorted, bucketBatches);
      bucket = {
        number,
        batches: bucketBatches === 1 ? batches : rng.fork(`bucket-${number}`).shuffled(batches),
      };
    }
    return bucket.batches[step % bucketBatches] as AnswerGroup[];
  };
}

/** Samples of which each rank decodes its share; of the others it learns everything but the pixels. */
async function readShared(dataset: Dataset, indices: readonly number[], peers: Peers): Promise<Sample[]> {
  const samples: Sample[] = [];
  const parts = await shareResults(peers, () =>
    Promise.all(
      ownShare(indices.length, peers).map(
        async (place) => [place, await dataset.get(indices[place] as number)] as const,
      ),
    ),
  );
  for (const [rank, part] of parts.entries())
    for (const [place, sample] of part)
      samples[place] = rank === peers.rank ? sample : withoutPixels(sample, rank);
  return samples;
}

/** The micro-batches of a batch. Each rank reads the pixels of its share again where another rank had decoded them. */
async function readMicroBatches({ dataset, config, peers }: SftTools, groups: readonly AnswerGroup[]) {
  const microBatches = splitByLength(groups, config.samplesPerMicroBatch ?? config.batchSize);
  if (peers.size === 1) return microBatches;
  return Promise.all(
    microBatches.map(async (batch) => {
      const mine = new Set(sharesOf(batch, peers)[peers.rank]);
      return Promise.all(
        batch.map(async (group, g) =>
          mine.has(g) ? { ...group, sample: await dataset.get(group.index) } : group,
        ),
      );
    }),
  );
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
