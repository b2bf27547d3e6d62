import type { CompletionModel, Dataset, Rng, ScoreFunction } from "@vlmr1/core";
import { groupAdvantages, normalizeThenSum } from "./advantages.ts";
import { batchTotals, cutByLength, cutEvenly, groupsToTrain, type BatchGroup } from "./batch.ts";
import { tokenMask } from "./completion-mask.ts";
import type { GrpoConfig } from "./config.ts";
import type { Progress } from "./progress.ts";
import type { PromptChooser } from "./prompts.ts";
import type { ScoredGroup } from "./report.ts";
import type { StepOutcome } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import { scoreGroups } from "./score.ts";
import { isConstant, rolloutMetrics, samplerGap, updateMetrics } from "./step-metrics.ts";
import { checkAnswers } from "./check-answers.ts";
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

/** One step of GRPO, from top to bottom: ask, answer G times, score, compare within each group, update. */
export async function grpoStep<Target>(
  tools: GrpoTools<Target>,
  progress: Progress,
): Promise<StepOutcome<Target>> {
  const { policy, loss, sampler, config, schedule } = tools;
  const { temperature, maxNewTokens } = config;
  const rng = tools.rng.fork(`step-${progress.step}`);
  const watch = createStopwatch(["data", "sample", "score", "logProbs", "update"]);

  // 1. Ask and score: G answers to each of P prompts. A group whose answers all earn the same teaches nothing; other prompts may be
  //    drawn in its place.
  const asked: ScoredGroup<Target>[] = [];
  for (let round = 0; round <= config.resampleRounds; round++) {
    const wanted = config.promptsPerStep - asked.filter((group) => !isConstant(group)).length;
    if (wanted === 0) break;
    const indices = tools.prompts.draw(progress, wanted);
    const samples = await watch.time("data", () =>
      Promise.all(indices.map((index) => tools.dataset.get(index))),
    );
    const answers = await watch.time("sample", () =>
      sampler.complete(samples, { ...samplingOptions(tools), rng: rng.fork(`sampling-${round}`) }),
    );
    checkAnswers(samples, answers, config.groupSize);
    const groups = samples.map((sample, i) => ({ sample, completions: answers[i] ?? [] }));
    const scoring = { step: progress.step, concurrency: config.scoreConcurrency };
    const rewards = await watch.time("score", () => scoreGroups(groups, tools.score, scoring));
    groups.forEach((group, i) => {
      const scored = { ...group, index: indices[i] as number, rewards: rewards[i] ?? [], advantages: [] };
      asked.push(scored);
    });
  }

  // 2. Compare each answer with its siblings. The batch is P groups: those that teach, filled up with those that do not.
  const order = (group: ScoredGroup<Target>) => (isConstant(group) ? 1 : 0);
  const chosen = asked.toSorted((a, b) => order(a) - order(b)).slice(0, config.promptsPerStep);
  const kept = config.resampleRounds === 0 ? asked : chosen;
  const advantages = advantagesOf(kept, config);
  const batch = kept.map((group, g): BatchGroup => ({
    sample: group.sample,
    completions: group.completions,
    advantages: advantages[g] as number[],
    tokenMasks: group.completions.map((completion) => tokenMask(completion, config.maskTruncated)),
    isConstant: isConstant(group),
    ...(sampler !== policy && { samplerLogProbs: group.completions.map(({ logProbs }) => logProbs) }),
  }));

  // 3. Cut the batch into updates, each update into micro-batches whose gradients add up.
  const shuffled = config.minibatches > 1 ? rng.fork("minibatches").shuffled(batch) : batch;
  const microBatch = config.promptsPerMicroBatch ?? config.promptsPerStep;
  const minibatches = cutEvenly(shuffled, config.minibatches).map((groups) => ({
    totals: batchTotals(groups, maxNewTokens),
    microBatches: cutByLength(groupsToTrain(groups, config.skipConstantGroups, microBatch), microBatch),
  }));

  // 4. Log-probabilities that the loss compares with, taken before any weight moves. With one update a rollout the policy is its own
  //    past, and the forward that makes the gradient is enough.
  const isMeasured = config.measureKlEvery > 0 && progress.step % config.measureKlEvery === 0;
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

  // 5. Update. The first pass over the first minibatch is on-policy; its forward tells the old log-probabilities to later passes.
  const updates: UpdateOutcome[] = [];
  let gap: Record<string, number> = {};
  let learningRate = 0;
  for (let iteration = 0; iteration < config.iterations; iteration++) {
    for (const [m, { totals, microBatches }] of minibatches.entries()) {
      if (microBatches.length === 0) continue; // nothing to learn from
      learningRate = config.learningRate * schedule(progress.scheduled++) * progress.rateFactor;
      const update = await watch.time("update", () =>
        optimizerUpdate(tools, microBatches, {
          totals,
          temperature,
          learningRate,
          maxGradientNorm: config.maxGradientNorm,
          step: progress.updates,
          rng: rng.fork(`dropout-${iteration}-${m}`),
        }),
      );
      updates.push(update);
      if (update.applied) progress.updates++;
      if (iteration === 0 && m === 0) {
        if (sampler !== policy) gap = samplerGap(update.logProbs.flat(), samplerLogProbs(microBatches));
        update.logProbs.forEach((logProbs, i) => {
          microBatches[i] = (microBatches[i] ?? []).map((group, g) => ({
            ...group,
            oldLogProbs: rows(logProbs[g]),
          }));
        });
      }
    }
  }

  // 6. Remember how hard each prompt was, let the reference follow when it should, and report.
  for (const { index, rewards } of asked) {
    const totals = rewards.map(({ total }) => total);
    tools.prompts.observe(progress, index, totals);
  }
  const sync = config.referenceSync;
  if (sync && (progress.step + 1) % sync.every === 0)
    await watch.time("update", () => policy.syncReference(sync.mix));
  const byGroup = new Map(kept.map((group, g) => [group, advantages[g] as number[]]));
  return {
    updates,
    metrics: { ...rolloutMetrics(asked), ...updateMetrics(updates, learningRate), ...gap },
    groups: asked.map((group) => ({
      ...group,
      advantages: byGroup.get(group) ?? group.completions.map(() => 0),
    })),
    seconds: watch.seconds,
  };
}

function samplingOptions<Target>({ config, signal }: GrpoTools<Target>) {
  const { groupSize, maxNewTokens, temperature, topK, topP, minP, repetitionPenalty, stop } = config;
  return {
    count: groupSize,
    maxNewTokens,
    temperature,
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
    ...(minP !== undefined && { minP }),
    ...(repetitionPenalty !== undefined && { repetitionPenalty }),
    ...(stop && { stop }),
    ...(signal && { signal }),
  };
}

/** One advantage per completion, by group. [P][G] */
function advantagesOf(groups: readonly ScoredGroup[], config: GrpoConfig): number[][] {
  const { groupSize, scale, baseline, combine, rewardWeights } = config;
  const options = { groupSize, scale, baseline };
  const rewards = groups.flatMap((group) => group.rewards);
  const names = Object.keys(rewards[0]?.scores ?? {});
  const { values } =
    combine === "sum-then-normalize"
      ? groupAdvantages(
          rewards.map(({ total }) => total),
          options,
        )
      : normalizeThenSum(
          rewards.map(({ scores }) => names.map((name) => scores[name] ?? null)),
          names.map((name) => rewardWeights[name] ?? 1),
          options,
        );
  return groups.map((_, g) => values.slice(g * groupSize, (g + 1) * groupSize));
}

function samplerLogProbs(microBatches: readonly (readonly BatchGroup[])[]) {
  return microBatches.flat().map((group) => group.samplerLogProbs ?? []);
}

function rows(logProbs: readonly Float32Array[] | undefined): number[][] {
  return (logProbs ?? []).map((values) => Array.from(values));
}
