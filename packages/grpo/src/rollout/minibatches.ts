import type { Rng } from "@vlmr1/core";
import type { TrainingGroup } from "@vlmr1/policy";

/** One group on its way through the updates of a step: what the losses will need, filled in as it becomes known. */
export interface BatchGroup extends TrainingGroup {
  readonly tokenMasks: readonly (readonly number[])[];
  /** All rewards are equal: nothing to learn but the KL term. */
  readonly isZeroVariance: boolean;
}

/** How a step's groups become updates; fields of a GRPO configuration. */
interface SplitOptions {
  readonly promptsPerStep: number;
  readonly promptsPerMicroBatch?: number | undefined;
  readonly minibatches: number;
  readonly maxNewTokens: number;
  readonly skipZeroVarianceGroups: boolean;
}

/** One optimizer update: groups cut into micro-batches whose gradients add up, and what its losses divide by. */
export interface Minibatch {
  readonly totals: ReturnType<typeof batchTotals>;
  /** What the losses compare with is added to the groups as it becomes known. */
  readonly microBatches: BatchGroup[][];
}

/** Splits a step's groups into updates, in random order when there are several, and each update into micro-batches. */
export function splitMinibatches(
  batch: readonly BatchGroup[],
  { promptsPerStep, promptsPerMicroBatch, minibatches, maxNewTokens, skipZeroVarianceGroups }: SplitOptions,
  rng: Rng,
): Minibatch[] {
  const shuffled = minibatches > 1 ? rng.fork("minibatches").shuffled(batch) : batch;
  const size = promptsPerMicroBatch ?? promptsPerStep;
  return splitEvenly(shuffled, minibatches).map((groups) => ({
    totals: batchTotals(groups, maxNewTokens),
    microBatches: splitByLength(groupsToTrain(groups, skipZeroVarianceGroups, size), size),
  }));
}

/** What a loss divides by, of a whole optimizer step. Groups left out of the forward count, so that leaving them out changes nothing. */
export function batchTotals(groups: readonly BatchGroup[], maxNewTokens: number) {
  const masks = groups.flatMap(({ tokenMasks }) => tokenMasks);
  const tokens = masks.reduce((sum, mask) => sum + mask.reduce((count, value) => count + value, 0), 0);
  return { completions: masks.length, tokens, maxNewTokens };
}

/**
 * The groups that an update computes. Zero-variance groups are left out, but for as many as fill the batch up to a quarter, half, three
 * quarters or all of a micro-batch: a policy compiles a graph for each batch size, and four sizes are better than sixteen.
 */
export function groupsToTrain(
  groups: readonly BatchGroup[],
  skipZeroVariance: boolean,
  microBatch: number,
): BatchGroup[] {
  if (!skipZeroVariance) return [...groups];
  const teaching = groups.filter((group) => !group.isZeroVariance).length;
  const unit = Math.ceil(Math.min(microBatch, groups.length) / 4);
  let fillers = Math.ceil(teaching / unit) * unit - teaching;
  return groups.filter((group) => !group.isZeroVariance || fillers-- > 0);
}

/** Splits items into `count` runs whose lengths differ by at most one, longer ones first. */
export function splitEvenly<T>(items: readonly T[], count: number): T[][] {
  const least = Math.floor(items.length / count);
  const longer = items.length % count;
  const start = (i: number) => i * least + Math.min(i, longer);
  return Array.from({ length: count }, (_, i) => items.slice(start(i), start(i + 1)));
}

/** Splits groups into micro-batches of `size`, groups of like length together so that little is padded. */
export function splitByLength<T extends { readonly completions: TrainingGroup["completions"] }>(
  groups: readonly T[],
  size: number,
): T[][] {
  if (groups.length <= size) return groups.length === 0 ? [] : [[...groups]];
  const longest = ({ completions }: T) => Math.max(...completions.map(({ tokenIds }) => tokenIds.length));
  const sorted = groups
    .map((group, i) => ({ group, i, length: longest(group) }))
    .sort((a, b) => b.length - a.length || a.i - b.i)
    .map(({ group }) => group);
  return splitEvenly(sorted, Math.ceil(sorted.length / size));
}
