import { createRng, type Dataset } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { evaluate } from "@vlmr1/eval";
import { finetune, train, type Policy } from "@vlmr1/grpo";
import {
  grpoConfig,
  maxNewTokens,
  maxUnseenTokens,
  nanoMetrics,
  nanoOptimizer,
  nanoScore,
  nanoStreams,
  nanoScenes,
  nanoSplit,
  outOfDomain,
  type NanoTarget,
} from "../nano/recipe.ts";
import { markdownTable, percentText, seedMean, withStart, type StartingPoint } from "./experiment.ts";

/** How large the experiment is. */
export interface SftVsRlOptions extends StartingPoint {
  readonly engine: Engine;
  readonly seeds: readonly number[];
  /** Steps of GRPO; imitation takes as many, on as many prompts each. */
  readonly steps: number;
  readonly promptsPerStep: number;
  readonly groupSize: number;
  /** Scenes of each split to measure on. */
  readonly samples: number;
  readonly signal?: AbortSignal;
  readonly say: (text: string) => void;
}

/** The arms: what each starts from and sees is the same. */
export const arms = ["start", "SFT 2e-4", "SFT 1e-3", "GRPO"] as const;
type Arm = (typeof arms)[number];

/** The splits, the training distribution first. */
const splits = ["in-domain", ...outOfDomain] as const;

/** Accuracy (IoU above 0.5) by arm and split: for each seed, one number a sample. */
export type ArmScores = Readonly<Record<Arm, Readonly<Record<string, readonly (readonly number[])[]>>>>;

/**
 * The paper's question on drawn scenes: from the same start, on the same prompts, does imitation or reinforcement carry over to scenes
 * unlike those of training?
 */
export async function sftVsRl(options: SftVsRlOptions): Promise<ArmScores> {
  const scores = Object.fromEntries(
    arms.map((arm) => [arm, Object.fromEntries(splits.map((split) => [split, [] as number[][]]))]),
  ) as Record<Arm, Record<string, number[][]>>;
  for (const seed of options.seeds) {
    const streams = nanoStreams(seed);
    const sets: Readonly<Record<string, Dataset<NanoTarget>>> = {
      "in-domain": nanoScenes(streams.heldOut, options.samples, {}, "held-out"),
      ...Object.fromEntries(
        outOfDomain.map((split) => [split, nanoSplit(streams.heldOut, split, options.samples)]),
      ),
    };
    for (const arm of arms) {
      await withStart(options.engine, options, async (policy) => {
        const begun = performance.now();
        await learn(arm, policy, seed, options);
        for (const [split, dataset] of Object.entries(sets))
          scores[arm][split]?.push(await accuracies(policy, dataset, seed, options));
        const mean = seedMean([scores[arm]["in-domain"]?.at(-1) ?? []]);
        const seconds = Math.round((performance.now() - begun) / 1000);
        options.say(`seed ${seed}  ${arm.padEnd(8)}  in-domain ${percentText(mean)}  ${seconds} s`);
      });
    }
  }
  return scores;
}

async function learn(arm: Arm, policy: Policy, seed: number, options: SftVsRlOptions): Promise<void> {
  const { steps, promptsPerStep, groupSize, signal } = options;
  if (arm === "start") return;
  // The same stream of scenes, and the same order of prompts, for every arm.
  const dataset = nanoScenes(nanoStreams(seed).train, Math.max(promptsPerStep, steps * promptsPerStep));
  const recipe = grpoConfig(seed, steps);
  const shared = { policy, dataset, optimizer: nanoOptimizer(0.99), ...(signal && { signal }) };
  const reports =
    arm === "GRPO"
      ? train({
          ...shared,
          score: nanoScore,
          config: { ...recipe, promptsPerStep, groupSize, measureKlEvery: 0 },
        })
      : finetune({
          ...shared,
          config: {
            steps,
            seed,
            schedule: recipe.schedule,
            batchSize: promptsPerStep,
            bucketBatches: 1,
            learningRate: Number(arm.slice(4)),
            maxAnswerTokens: maxNewTokens,
            checkpointEvery: 0,
          },
        });
  for await (const report of reports) if (report.ending === "aborted") break;
  signal?.throwIfAborted();
}

async function accuracies(
  policy: Policy,
  dataset: Dataset<NanoTarget>,
  seed: number,
  { signal }: SftVsRlOptions,
): Promise<number[]> {
  const { accuracy } = nanoMetrics;
  const report = await evaluate<NanoTarget>({
    model: policy,
    dataset,
    metrics: { accuracy: accuracy as NonNullable<typeof accuracy> },
    rng: createRng(seed).fork("evaluation"),
    batchSize: 125,
    maxNewTokens: maxUnseenTokens,
    resamples: 1,
    ...(signal && { signal }),
  });
  return report.rows.map((row) => row.scores["accuracy"] ?? 0);
}

/** The table of docs/results.md. */
export function sftVsRlTable(scores: ArmScores): string {
  return markdownTable(
    ["Acc@0.5, %", ...splits],
    arms.map((arm) => [arm, ...splits.map((split) => percentText(seedMean(scores[arm][split] ?? [])))]),
  );
}
