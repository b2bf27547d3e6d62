import { createRng, type Dataset } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { evaluate } from "@vlmr1/eval";
import { finetune, train } from "@vlmr1/grpo";
import {
  grpoConfig,
  maxNewTokens,
  maxUnseenTokens,
  nanoMetrics,
  nanoScore,
  nanoStreams,
  nanoScenes,
  nanoSplit,
  outOfDomain,
  type NanoTarget,
} from "../nano/recipe.ts";
import {
  markdownTable,
  percentText,
  seedMean,
  withStart,
  type Learner,
  type StartingPoint,
} from "./experiment.ts";

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
    for (const arm of arms) {
      await withStart(options.engine, options, async (learner) => {
        const begun = performance.now();
        await learn(arm, learner, seed, options);
        for (const [split, dataset] of Object.entries(splitsOf(seed, learner, options)))
          scores[arm][split]?.push(await accuracies(learner, dataset, seed, options));
        const mean = seedMean([scores[arm]["in-domain"]?.at(-1) ?? []]);
        const seconds = Math.round((performance.now() - begun) / 1000);
        options.say(`seed ${seed}  ${arm.padEnd(8)}  in-domain ${percentText(mean)}  ${seconds} s`);
      });
    }
  }
  return scores;
}

function splitsOf(
  seed: number,
  { frame }: Learner,
  { samples }: SftVsRlOptions,
): Readonly<Record<string, Dataset<NanoTarget>>> {
  const { heldOut } = nanoStreams(seed);
  return {
    "in-domain": nanoScenes(heldOut, samples, { name: "held-out", frame }),
    ...Object.fromEntries(outOfDomain.map((split) => [split, nanoSplit(heldOut, split, samples, frame)])),
  };
}

async function learn(arm: Arm, learner: Learner, seed: number, options: SftVsRlOptions): Promise<void> {
  const { steps, promptsPerStep, groupSize, signal } = options;
  const { policy, frame, optimizer } = learner;
  if (arm === "start") return;
  // The same stream of scenes, and the same order of prompts, for every arm.
  const dataset = nanoScenes(nanoStreams(seed).train, Math.max(promptsPerStep, steps * promptsPerStep), {
    frame,
  });
  const recipe = grpoConfig(seed, steps);
  const shared = { policy, dataset, optimizer: optimizer(0.99), ...(signal && { signal }) };
  const reports =
    arm === "GRPO"
      ? train({
          ...shared,
          score: nanoScore(frame),
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
  { policy, frame }: Learner,
  dataset: Dataset<NanoTarget>,
  seed: number,
  { signal }: SftVsRlOptions,
): Promise<number[]> {
  const report = await evaluate<NanoTarget>({
    model: policy,
    dataset,
    metrics: { accuracy: nanoMetrics(frame).accuracy },
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
