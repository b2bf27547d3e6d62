import type { CompletionModel, Dataset, Rng, ScoreFunction } from "@vlmr1/core";
import { batchTotals, cutByLength, cutEvenly, groupsToTrain, type BatchGroup } from "./batch.ts";
import { checkAnswers } from "./check-answers.ts";
import { tokenMask } from "./completion-mask.ts";
import type { GrpoConfig } from "./config.ts";
import type { Progress } from "./progress.ts";
import type { PromptChooser } from "./prompts.ts";
import type { ScoredGroup } from "./report.ts";
import { isConstant, rewardAdvantages } from "./reward-advantages.ts";
import type { StepOutcome } from "./run.ts";
import { samplingOptions } from "./sampling-options.ts";
import type { Schedule } from "./optimizer/schedule.ts";
import { scoreGroups } from "./score.ts";
import { rolloutMetrics, samplerGap, updateMetrics } from "./step-metrics.ts";
import { createStopwatch } from "./stopwatch.ts";
import { optimizerUpdate, type UpdateOutcome, type UpdateTools } from "./update.ts";

/** Everything a step of GRPO works with. */
export interface GrpoTools<Target> extends UpdateTools {
  /** Who answers: the policy itself, or a server. */
  readonly sampler: CompletionModel;
  readonly dataset: Dataset<Target>;
  readonly prompts: PromptChooser;
  readonly score: ScoreFunction<Target>;
  readonly schedule: Schedule;
  readonly config: GrpoConfig;
  readonly rng: Rng;
  readonly signal?: AbortSignal;
}

/** The tools, and what belongs to one step: its random stream and its watch. */
type Step<Target> = GrpoTools<Target> & {
  readonly progress: Progress;
  readonly watch: ReturnType<typeof stepWatch>;
};
const stepWatch = () => createStopwatch(["data", "sample", "score", "logProbs", "update"]);

/** One step of GRPO: ask, answer G times, score; compare within each group; update. The functions below follow in this order. */
export async function grpoStep<Target>(
  tools: GrpoTools<Target>,
  progress: Progress,
): Promise<StepOutcome<Target>> {
  const { config, policy } = tools;
  const step = { ...tools, progress, rng: tools.rng.fork(`step-${progress.step}`), watch: stepWatch() };

  const asked = await askAndScore(step);
  const { batch, advantages } = compare(step, asked);
  const minibatches = cut(step, batch);
  await lookBack(step, minibatches);
  const { updates, learningRate, gap } = await update(step, minibatches);

  for (const { index, rewards } of asked) {
    const totals = rewards.map(({ total }) => total);
    tools.prompts.observe(progress, index, totals);
  }
  const sync = config.referenceSync;
  if (sync && (progress.step + 1) % sync.every === 0) {
    await step.watch.time("update", () => policy.syncReference(sync.mix));
  }
  return {
    updates,
    metrics: { ...rolloutMetrics(asked, config.combine), ...updateMetrics(updates, learningRate), ...gap },
    groups: asked.map((group) => ({
      ...group,
      advantages: advantages.get(group) ?? group.completions.map(() => 0),
    })),
    seconds: step.watch.seconds,
  };
}

/** G answers to each of P prompts, scored. Where all answers of a group earn the same, other prompts may be drawn in its place. */
async function askAndScore<Target>(step: Step<Target>): Promise<ScoredGroup<Target>[]> {
  const { config, watch, dataset, prompts, progress, sampler, rng } = step;
  const asked: ScoredGroup<Target>[] = [];
  for (let round = 0; round <= config.resampleRounds; round++) {
    const teaching = asked.filter((group) => !isConstant(group, config.combine)).length;
    if (teaching === config.promptsPerStep) break;
    const indices = prompts.draw(progress, config.promptsPerStep - teaching);
    const samples = await watch.time("data", () => Promise.all(indices.map((index) => dataset.get(index))));
    const options = {
      ...samplingOptions(config, step.signal),
      rng: rng.fork(`sampling-${round}`),
      forTraining: true,
    };
    const answers = await watch.time("sample", () => sampler.complete(samples, options));
    checkAnswers(samples, answers, config.groupSize);
    const groups = samples.map((sample, i) => ({ sample, completions: answers[i] ?? [] }));
    const scoring = { step: progress.step, concurrency: config.scoreConcurrency };
    const rewards = await watch.time("score", () => scoreGroups(groups, step.score, scoring));
    groups.forEach((group, i) =>
      asked.push({ ...group, index: indices[i] as number, rewards: rewards[i] ?? [], advantages: [] }),
    );
  }
  return asked;
}

/** Compares each answer with its siblings. The batch is P groups: those that teach, filled up with those that do not. */
function compare<Target>({ config, sampler, policy }: Step<Target>, asked: readonly ScoredGroup<Target>[]) {
  const order = (group: ScoredGroup<Target>) => Number(isConstant(group, config.combine));
  const chosen = asked.toSorted((a, b) => order(a) - order(b)).slice(0, config.promptsPerStep);
  const kept = config.resampleRounds === 0 ? asked : chosen;
  const values = rewardAdvantages(
    kept.map(({ rewards }) => rewards),
    config,
  );
  const batch = kept.map((group, g): BatchGroup => ({
    sample: group.sample,
    completions: group.completions,
    advantages: values[g] as number[],
    tokenMasks: group.completions.map((completion) => tokenMask(completion, config.maskTruncated)),
    isConstant: isConstant(group, config.combine),
    ...(sampler !== policy && { samplerLogProbs: group.completions.map(({ logProbs }) => logProbs) }),
  }));
  return { batch, advantages: new Map(kept.map((group, g) => [group, values[g] as number[]])) };
}

/** Cuts the batch into updates, and each update into micro-batches whose gradients add up. */
function cut<Target>({ config, rng }: Step<Target>, batch: readonly BatchGroup[]) {
  const shuffled = config.minibatches > 1 ? rng.fork("minibatches").shuffled(batch) : batch;
  const size = config.promptsPerMicroBatch ?? config.promptsPerStep;
  return cutEvenly(shuffled, config.minibatches).map((groups) => ({
    totals: batchTotals(groups, config.maxNewTokens),
    microBatches: cutByLength(groupsToTrain(groups, config.skipConstantGroups, size), size),
  }));
}

/**
 * Adds the log-probabilities that the loss compares with, taken before any weight moves. With one update a rollout the policy is its
 * own past, and the forward that makes the gradient is enough.
 */
async function lookBack<Target>(step: Step<Target>, minibatches: ReturnType<typeof cut>): Promise<void> {
  const { config, policy, loss, progress, watch } = step;
  const { temperature, measureKlEvery } = config;
  const isMeasured = measureKlEvery > 0 && progress.step % measureKlEvery === 0;
  const needsReference = loss.needs.reference || isMeasured;
  for (const [m, { microBatches }] of minibatches.entries()) {
    for (const [i, groups] of microBatches.entries()) {
      const [old, reference] = await watch.time("logProbs", async () => [
        m > 0 ? await policy.logProbs(groups, { temperature }) : undefined,
        needsReference ? await policy.referenceLogProbs(groups, { temperature }) : undefined,
      ]);
      microBatches[i] = groups.map((group, g) => ({
        ...group,
        ...(old && { oldLogProbs: rows(old[g]) }),
        ...(reference && { referenceLogProbs: rows(reference[g]) }),
      }));
    }
  }
}

/** Updates the weights. The first pass over the first minibatch is on-policy; its forward tells later passes the old log-probabilities. */
async function update<Target>(step: Step<Target>, minibatches: ReturnType<typeof cut>) {
  const { config, progress, rng, watch } = step;
  const { temperature, maxGradientNorm } = config;
  const updates: UpdateOutcome[] = [];
  let gap: Record<string, number> = {};
  let learningRate = 0;
  for (let iteration = 0; iteration < config.iterations; iteration++) {
    for (const [m, { totals, microBatches }] of minibatches.entries()) {
      if (microBatches.length === 0) continue; // nothing to learn from
      learningRate = config.learningRate * step.schedule(progress.scheduled++) * progress.rateFactor;
      const noise = rng.fork(`dropout-${iteration}-${m}`);
      const options = {
        totals,
        temperature,
        learningRate,
        maxGradientNorm,
        step: progress.updates,
        rng: noise,
      };
      const outcome = await watch.time("update", () => optimizerUpdate(step, microBatches, options));
      updates.push(outcome);
      if (outcome.applied) progress.updates++;
      if (iteration > 0 || m > 0) continue;
      if (step.sampler !== step.policy) gap = samplerGap(outcome.logProbs.flat(), microBatches.flat());
      outcome.logProbs.forEach((logProbs, i) => {
        const groups = microBatches[i] as BatchGroup[];
        microBatches[i] = groups.map((group, g) => ({ ...group, oldLogProbs: rows(logProbs[g]) }));
      });
    }
  }
  return { updates, learningRate, gap };
}

function rows(logProbs: readonly Float32Array[] | undefined): number[][] {
  return (logProbs ?? []).map((values) => Array.from(values));
}
