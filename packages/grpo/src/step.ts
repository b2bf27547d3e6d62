import {
  mean,
  std,
  type CompletionModel,
  type Dataset,
  type Peers,
  type Rng,
  type ScoreFunction,
} from "@vlmr1/core";
import type { TrainingGroup } from "@vlmr1/policy";
import type { GrpoConfig } from "./config.ts";
import type { Schedule } from "./optimizer/schedule.ts";
import { computeAdvantages, isZeroVarianceGroup } from "./rollout/advantages.ts";
import { splitMinibatches, type BatchGroup, type Minibatch } from "./rollout/minibatches.ts";
import type { PromptChooser } from "./rollout/prompts.ts";
import {
  checkCompletions,
  completeOptions,
  computeRewards,
  tokenMask,
  type RolloutGroup,
} from "./rollout/rollout.ts";
import { createStopwatch, type Progress } from "./run/report.ts";
import { ownShare, shareResults, withoutPixels } from "./run/ranks.ts";
import type { StepOutcome } from "./run/run.ts";
import { optimizerUpdate, updateMetrics, type UpdateOutcome, type UpdateTools } from "./update.ts";

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
  readonly peers: Peers;
  /** Filled by a step: which rank rolled a group out, by its array of completions. */
  readonly owners: WeakMap<TrainingGroup["completions"], number>;
  readonly signal?: AbortSignal;
}

/** The tools, and what belongs to one step: its random stream and its watch. */
type Step<Target> = GrpoTools<Target> & {
  readonly progress: Progress;
  readonly watch: ReturnType<typeof stepWatch>;
};
const stepWatch = () => createStopwatch(["data", "sample", "score", "logProbs", "update"]);

/** One step of GRPO: roll out, compare within each group, split, look back, update. The functions below follow in this order. */
export async function grpoStep<Target>(
  tools: GrpoTools<Target>,
  progress: Progress,
): Promise<StepOutcome<Target>> {
  const { config, policy } = tools;
  const step = { ...tools, progress, rng: tools.rng.fork(`step-${progress.step}`), watch: stepWatch() };

  const groups = await rollout(step);
  const { batch, advantages } = compare(step, groups);
  const minibatches = splitMinibatches(batch, config, step.rng);
  await addTokenLogProbs(step, minibatches);
  const { updates, learningRate, gap } = await update(step, minibatches);

  for (const { index, rewards } of groups) {
    const totals = rewards.map(({ total }) => total);
    tools.prompts.observe(progress, index, totals);
  }
  const sync = config.referenceSync;
  if (sync && (progress.step + 1) % sync.every === 0) {
    await step.watch.time("update", () => policy.syncReference(sync.mix));
  }
  return {
    updates,
    metrics: { ...rolloutMetrics(groups, config.combine), ...updateMetrics(updates, learningRate), ...gap },
    groups: groups.map((group) => ({
      ...group,
      advantages: advantages.get(group) ?? group.completions.map(() => 0),
    })),
    seconds: step.watch.seconds,
  };
}

/** G completions of each of P prompts, with their rewards. In place of zero-variance groups, other prompts may be drawn. */
async function rollout<Target>(step: Step<Target>): Promise<RolloutGroup<Target>[]> {
  const { config, prompts, progress, peers, owners } = step;
  const groups: RolloutGroup<Target>[] = [];
  for (let round = 0; round <= config.resampleRounds; round++) {
    const teaching = groups.filter(({ rewards }) => !isZeroVarianceGroup(rewards, config.combine)).length;
    if (teaching === config.promptsPerStep) break;
    const indices = prompts.draw(progress, config.promptsPerStep - teaching);
    const parts = await shareResults(peers, () => rollOutShare(step, indices, round));
    const asked: RolloutGroup<Target>[] = [];
    for (const [rank, part] of parts.entries()) {
      for (const [place, group] of part) {
        const isOwn = rank === peers.rank;
        asked[place] = isOwn ? group : { ...group, sample: withoutPixels(group.sample, rank) };
        owners.set(group.completions, rank);
      }
    }
    groups.push(...asked);
  }
  return groups;
}

/** Rolls out this rank's share of the prompts, all of them in a single process, and says which places of the list they have. */
async function rollOutShare<Target>(
  { config, watch, dataset, sampler, peers, progress, ...step }: Step<Target>,
  indices: readonly number[],
  round: number,
): Promise<(readonly [place: number, group: RolloutGroup<Target>])[]> {
  const places = ownShare(indices.length, peers);
  if (places.length === 0) return [];
  const indexOf = (place: number) => indices[place] as number;
  const samples = await watch.time("data", () =>
    Promise.all(places.map((place) => dataset.get(indexOf(place)))),
  );
  const options = {
    ...completeOptions(config, step.signal),
    rng: step.rng.fork(`sampling-${round}`),
    promptNumbers: places,
    forTraining: true,
  };
  const completions = await watch.time("sample", () => sampler.complete(samples, options));
  checkCompletions(samples, completions, config.groupSize);
  const answered = samples.map((sample, i) => ({ sample, completions: completions[i] ?? [] }));
  const rewarding = { step: progress.step, concurrency: config.rewardConcurrency };
  const rewards = await watch.time("score", () => computeRewards(answered, step.score, rewarding));
  return answered.map((group, i) => {
    const place = places[i] as number;
    return [place, { ...group, index: indexOf(place), rewards: rewards[i] ?? [], advantages: [] }] as const;
  });
}

/** Whether completions were drawn from something else than the policy that is updated. */
function isOffPolicy({ sampler, policy }: Pick<GrpoTools<unknown>, "sampler" | "policy">): boolean {
  return sampler !== policy || policy.rolloutPrecision !== undefined;
}

/** Compares each completion with its siblings. The batch is P groups: those that teach, filled up with those that do not. */
function compare<Target>(step: Step<Target>, groups: readonly RolloutGroup<Target>[]) {
  const { config } = step;
  const isFlat = ({ rewards }: RolloutGroup<Target>) => isZeroVarianceGroup(rewards, config.combine);
  const chosen = groups
    .toSorted((a, b) => Number(isFlat(a)) - Number(isFlat(b)))
    .slice(0, config.promptsPerStep);
  const kept = config.resampleRounds === 0 ? groups : chosen;
  const values = computeAdvantages(
    kept.map(({ rewards }) => rewards),
    config,
  );
  const batch = kept.map((group, g): BatchGroup => ({
    sample: group.sample,
    completions: group.completions,
    advantages: values[g] as number[],
    tokenMasks: group.completions.map((completion) => tokenMask(completion, config.maskTruncated)),
    isZeroVariance: isFlat(group),
    ...(isOffPolicy(step) && { samplerLogProbs: group.completions.map(({ logProbs }) => logProbs) }),
  }));
  return { batch, advantages: new Map(kept.map((group, g) => [group, values[g] as number[]])) };
}

/**
 * Adds the log-probabilities that the loss compares with, taken before any weight moves. With one update a rollout the policy is its
 * own past, and the forward that makes the gradient is enough.
 */
async function addTokenLogProbs<Target>(
  step: Step<Target>,
  minibatches: readonly Minibatch[],
): Promise<void> {
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
async function update<Target>(step: Step<Target>, minibatches: readonly Minibatch[]) {
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
      if (isOffPolicy(step)) gap = samplerGap(outcome.logProbs.flat(), microBatches.flat());
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

/** Numbers about what was answered and earned, by metric name. */
function rolloutMetrics(
  groups: readonly RolloutGroup[],
  combine: GrpoConfig["combine"],
): Record<string, number> {
  const rewards = groups.flatMap((group) => group.rewards);
  const completions = groups.flatMap((group) => group.completions);
  const totals = rewards.map(({ total }) => total);
  const lengths = completions.map(({ tokenIds }) => tokenIds.length);
  const names = Object.keys(rewards[0]?.scores ?? {});
  const parts = names.map(
    (name) => [`reward/${name}`, mean(rewards.map(({ scores }) => scores[name] ?? 0))] as const,
  );
  return {
    "reward/mean": mean(totals),
    "reward/deviation": std(totals),
    "reward/constant-groups": mean(
      groups.map((group) => (isZeroVarianceGroup(group.rewards, combine) ? 1 : 0)),
    ),
    ...Object.fromEntries(parts),
    "completion/length": mean(lengths),
    "completion/longest": Math.max(...lengths),
    "completion/truncated": mean(completions.map(({ finishReason }) => (finishReason === "stop" ? 0 : 1))),
  };
}

/** Mean and largest |log pi_policy - log pi_sampler| over tokens: how far the sampler is from the policy. */
function samplerGap(
  policy: readonly (readonly ArrayLike<number>[])[],
  groups: readonly Pick<TrainingGroup, "samplerLogProbs">[],
): Record<string, number> {
  let [sum, largest, count] = [0, 0, 0];
  policy.forEach((group, g) =>
    group.forEach((logProbs, i) => {
      for (let t = 0; t < logProbs.length; t++) {
        const gap = Math.abs((logProbs[t] as number) - (groups[g]?.samplerLogProbs?.[i]?.[t] ?? 0));
        sum += gap;
        largest = Math.max(largest, gap);
        count++;
      }
    }),
  );
  return { "sampler/log-prob-gap": count === 0 ? 0 : sum / count, "sampler/log-prob-gap-largest": largest };
}
