import type { TrainingGroup } from "@vlmr1/policy";

/** One group on its way through the updates of a step: what the losses will need, filled in as it becomes known. */
export interface BatchGroup extends TrainingGroup {
  readonly tokenMasks: readonly (readonly number[])[];
  /** All rewards equal: nothing to learn but the KL term. */
  readonly isConstant: boolean;
}

/** What a loss divides by, of a whole optimizer step. Groups left out of the forward count, so that leaving them out changes nothing. */
export function batchTotals(groups: readonly BatchGroup[], maxNewTokens: number) {
  const masks = groups.flatMap(({ tokenMasks }) => tokenMasks);
  const tokens = masks.reduce((sum, mask) => sum + mask.reduce((count, value) => count + value, 0), 0);
  return { completions: masks.length, tokens, maxNewTokens };
}

/**
 * The groups that an update computes. Constant ones are left out, but for as many as fill the batch up to a quarter, half, three
 * quarters or all of a micro-batch: a policy compiles a graph for each batch size, and four sizes are better than sixteen.
 */
export function groupsToTrain(
  groups: readonly BatchGroup[],
  skipConstant: boolean,
  microBatch: number,
): BatchGroup[] {
  if (!skipConstant) return [...groups];
  const teaching = groups.filter((group) => !group.isConstant).length;
  const unit = Math.ceil(Math.min(microBatch, groups.length) / 4);
  let fillers = Math.ceil(teaching / unit) * unit - teaching;
  return groups.filter((group) => !group.isConstant || fillers-- > 0);
}

/** Cuts items into `count` runs whose lengths differ by at most one, longer ones first. */
export function cutEvenly<T>(items: readonly T[], count: number): T[][] {
  const least = Math.floor(items.length / count);
  const longer = items.length % count;
  const start = (i: number) => i * least + Math.min(i, longer);
  return Array.from({ length: count }, (_, i) => items.slice(start(i), start(i + 1)));
}

/** Cuts groups into micro-batches of `size`, groups of like length together so that little is padded. */
export function cutByLength<T extends { readonly completions: TrainingGroup["completions"] }>(
  groups: readonly T[],
  size: number,
): T[][] {
  if (groups.length <= size) return groups.length === 0 ? [] : [[...groups]];
  const longest = ({ completions }: T) => Math.max(...completions.map(({ tokenIds }) => tokenIds.length));
  const sorted = groups
    .map((group, i) => ({ group, i, length: longest(group) }))
    .sort((a, b) => b.length - a.length || a.i - b.i)
    .map(({ group }) => group);
  return cutEvenly(sorted, Math.ceil(sorted.length / size));
}
