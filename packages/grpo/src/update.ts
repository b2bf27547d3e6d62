import { kebabCase, mean, type Rng } from "@vlmr1/core";
import type {
  AccumulateReport,
  Optimizer,
  Policy,
  PolicyLoss,
  TrainingBatch,
  TrainingGroup,
} from "@vlmr1/policy";

/** What one optimizer step did, over all of its micro-batches. */
export interface UpdateOutcome {
  readonly applied: boolean;
  /** Why it was dropped, for a person. */
  readonly problem?: string;
  readonly loss: number;
  readonly gradientNorm: number;
  /** See `ApplyReport`. */
  readonly weightGrowth?: number;
  /** The loss's metrics, averaged over tokens. */
  readonly metrics: Readonly<Record<string, number>>;
  /** log pi_theta before the update, per micro-batch, group, completion and token. */
  readonly logProbs: readonly AccumulateReport["logProbs"][];
}

/** What stays the same over a run. */
export interface UpdateTools {
  readonly policy: Policy;
  readonly loss: PolicyLoss;
  readonly optimizer: Optimizer;
}

/**
 * One optimizer step: adds up the gradients of the micro-batches, clips, and updates the weights. A loss or gradient that is not a
 * finite number never reaches them: what was accumulated is forgotten, and the outcome says why.
 */
export async function optimizerUpdate(
  { policy, loss, optimizer }: UpdateTools,
  microBatches: readonly (readonly TrainingGroup[])[],
  options: {
    readonly totals: TrainingBatch["totals"];
    readonly temperature: number;
    readonly learningRate: number;
    readonly maxGradientNorm: number;
    readonly step: number;
    readonly rng: Rng;
  },
): Promise<UpdateOutcome> {
  const { totals, temperature, learningRate, maxGradientNorm, step } = options;
  const reports: AccumulateReport[] = [];
  for (const [i, groups] of microBatches.entries()) {
    const rng = options.rng.fork(`micro-batch-${i}`);
    const batch = { groups, totals, temperature, microBatches: microBatches.length, rng };
    batch satisfies Record<keyof TrainingBatch, unknown>; // what the contract gains, optional or not, is set here too
    const report = await policy.accumulate(batch, loss);
    reports.push(report);
    if (!Number.isFinite(report.loss)) {
      policy.discard();
      const where = `micro-batch ${i + 1} of ${microBatches.length} (samples ${sampleIds(groups)})`;
      return summary(microBatches, reports, NaN, `the loss of ${where} is ${report.loss}`);
    }
  }
  const clipping = maxGradientNorm > 0 ? { maxGradientNorm } : {};
  const report = await policy.apply(optimizer, { learningRate, step, ...clipping });
  const { applied, gradientNorm, weightGrowth } = report;
  const problem = applied ? undefined : `the gradient's norm is ${gradientNorm}`;
  return {
    ...summary(microBatches, reports, gradientNorm, problem),
    ...(weightGrowth !== undefined && { weightGrowth }),
  };
}

function summary(
  microBatches: readonly (readonly TrainingGroup[])[],
  reports: readonly AccumulateReport[],
  gradientNorm: number,
  problem: string | undefined,
): UpdateOutcome {
  const tokens = reports.map((_, i) => countTokens(microBatches[i] ?? []));
  const total = tokens.reduce((sum, count) => sum + count, 0) || 1;
  const names = Object.keys(reports[0]?.metrics ?? {});
  const average = (name: string) =>
    reports.reduce((sum, { metrics }, i) => sum + (metrics[name] ?? 0) * ((tokens[i] as number) / total), 0);
  return {
    applied: problem === undefined,
    ...(problem !== undefined && { problem }),
    loss: reports.reduce((sum, { loss }) => sum + loss, 0),
    gradientNorm,
    metrics: Object.fromEntries(names.map((name) => [name, average(name)])),
    logProbs: reports.map(({ logProbs }) => logProbs),
  };
}

function countTokens(groups: readonly TrainingGroup[]): number {
  return groups.reduce((sum, { completions, tokenMasks }) => {
    const counted = tokenMasks?.flat().reduce((count, value) => count + value, 0);
    return sum + (counted ?? completions.reduce((count, { tokenIds }) => count + tokenIds.length, 0));
  }, 0);
}

function sampleIds(groups: readonly TrainingGroup[]): string {
  const ids = groups.map(({ sample }) => sample.id);
  return ids.length <= 4 ? ids.join(", ") : `${ids.slice(0, 4).join(", ")} and ${ids.length - 4} more`;
}

/** Numbers about the updates of a step: means over those that were made. */
export function updateMetrics(
  updates: readonly UpdateOutcome[],
  learningRate: number,
): Record<string, number> {
  const made = updates.filter(({ applied }) => applied);
  const names = Object.keys(made[0]?.metrics ?? {});
  const average = (name: string) => mean(made.map(({ metrics }) => metrics[name] ?? 0));
  return {
    "policy/updates": made.length,
    "policy/dropped": updates.length - made.length,
    "policy/learning-rate": learningRate,
    ...(made.length > 0 && {
      "policy/loss": mean(made.map(({ loss }) => loss)),
      "policy/gradient-norm": mean(made.map(({ gradientNorm }) => gradientNorm)),
      ...(made.some(({ weightGrowth }) => weightGrowth !== undefined) && {
        "policy/weight-growth": Math.max(...made.map(({ weightGrowth = 1 }) => weightGrowth)),
      }),
    }),
    ...Object.fromEntries(names.map((name) => [`policy/${kebabCase(name)}`, average(name)])),
  };
}
