import { createRng, type CompletionModel, type Dataset, type ScoreFunction } from "@vlmr1/core";
import { computeRewards } from "./rollout.ts";

/** What {@link measureRewards} needs. */
export interface MeasureOptions<Target> {
  /** Who answers: a policy, or anything that completes. */
  readonly model: CompletionModel;
  readonly dataset: Dataset<Target>;
  readonly score: ScoreFunction<Target>;
  readonly maxNewTokens: number;
  /** The first this many samples; all when absent. */
  readonly samples?: number;
  /** Prompts answered at once. */
  readonly batchSize?: number;
  /** 0, the default, takes the likeliest answer. */
  readonly temperature?: number;
}

/**
 * Mean rewards of a model's answers to held-out prompts, one each: `reward` and one number for each rule. Meant for `evaluate` of
 * `train`; @vlmr1/eval has intervals, breakdowns and detection metrics.
 */
export async function measureRewards<Target>(
  options: MeasureOptions<Target>,
): Promise<Record<string, number>> {
  const { model, dataset, score, maxNewTokens, batchSize = 32, temperature = 0 } = options;
  const count = Math.min(options.samples ?? dataset.length, dataset.length);
  const sums: Record<string, number> = { reward: 0 };
  const rng = createRng(0);
  for (let from = 0; from < count; from += batchSize) {
    const size = Math.min(batchSize, count - from);
    const samples = await Promise.all(Array.from({ length: size }, (_, i) => dataset.get(from + i)));
    const completions = await model.complete(samples, {
      count: 1,
      rng: rng.fork(`batch-${from}`),
      maxNewTokens,
      temperature,
    });
    const groups = samples.map((sample, i) => ({ sample, completions: completions[i] ?? [] }));
    const rewards = (await computeRewards(groups, score, { step: 0, concurrency: 64 })).flat();
    for (const { total, scores } of rewards) {
      for (const [name, value] of Object.entries({ ...scores, reward: total }))
        sums[name] = (sums[name] ?? 0) + value;
    }
  }
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, count === 0 ? 0 : sum / count]));
}
