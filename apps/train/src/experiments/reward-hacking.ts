import { createRng, type FrameOf, type RewardFunction } from "@vlmr1/core";
import { drawScenes, type SceneTargets } from "@vlmr1/data";
import type { Engine } from "@vlmr1/engine";
import { evaluate } from "@vlmr1/eval";
import { finetune, train } from "@vlmr1/grpo";
import {
  ap50Reward,
  formatReward,
  mapReward,
  odLengthReward,
  readDetections,
  weightedSum,
} from "@vlmr1/rewards";
import { grpoConfig, nanoStreams, warmBatch, warmConfig } from "../nano/recipe.ts";
import {
  markdownTable,
  percentText,
  seedMean,
  type SeedMean,
  withStart,
  type Learner,
  type StartingPoint,
} from "./experiment.ts";

type Target = SceneTargets["detection"];

/** How large the experiment is. */
export interface RewardHackingOptions extends StartingPoint {
  readonly engine: Engine;
  readonly seeds: readonly number[];
  /** Steps of imitation that teach the form of a detection answer, then of GRPO. */
  readonly warmSteps: number;
  readonly steps: number;
  readonly promptsPerStep: number;
  readonly groupSize: number;
  /** Scenes to measure on. */
  readonly samples: number;
  readonly maxNewTokens: number;
  readonly signal?: AbortSignal;
  readonly say: (text: string) => void;
}

/** The rewards that are compared: two that surplus boxes do not hurt, and the one that VLM-R1 made against them. */
export const detectionRewards = { map: mapReward, ap50: ap50Reward, odLength: odLengthReward } as const;
type RewardName = keyof typeof detectionRewards;

/** What one reward led to, over all seeds. */
export interface HackingOutcome {
  /** Per held-out sample, for each seed. */
  readonly scores: Readonly<Record<(typeof measured)[number], readonly (readonly number[])[]>>;
  /** Mean tokens of an answer at each step, over the seeds. */
  readonly lengths: readonly number[];
}

/** Below the demo's: answers are four times as long, and at its rate every reward ended in silence. */
const learningRate = 1e-4;

/** What is measured of held-out answers. */
export const measured = ["AP", "AP50", "boxes for each true one", "tokens"] as const;

/**
 * What a model learns to do with a detection reward: the same start and prompts, three rewards, and the length of its answers step by
 * step. "start" is the policy before any reward.
 */
export async function rewardHacking(
  options: RewardHackingOptions,
): Promise<Readonly<Record<"start" | RewardName, HackingOutcome>>> {
  const names = Object.keys(detectionRewards) as RewardName[];
  const outcomes = Object.fromEntries(
    (["start", ...names] as const).map((name) => [name, { scores: emptyScores(), lengths: [] as number[] }]),
  ) as Record<"start" | RewardName, { scores: Record<string, number[][]>; lengths: number[] }>;
  for (const seed of options.seeds) {
    await withStart(options.engine, options, async (learner) => {
      const { policy } = learner;
      await imitateDetection(learner, seed, options);
      const state = await policy.snapshot();
      await note(outcomes.start.scores, learner, seed, options);
      for (const name of names) {
        await policy.restore(state);
        const lengths = await reinforce(learner, name, seed, options);
        const { lengths: sums, scores } = outcomes[name];
        lengths.forEach((length, step) => (sums[step] = (sums[step] ?? 0) + length / options.seeds.length));
        await note(scores, learner, seed, options);
        options.say(
          `seed ${seed}  ${name.padEnd(8)}  ${lengths[0]?.toFixed(1)} to ${lengths.at(-1)?.toFixed(1)} tokens`,
        );
      }
    });
  }
  return outcomes as never;
}

function emptyScores(): Record<string, number[][]> {
  return Object.fromEntries(measured.map((name) => [name, []]));
}

function detectionScenes(seed: number, stream: "warm" | "train" | "heldOut", length: number, frame: FrameOf) {
  const rng = nanoStreams(seed)[stream].fork("detection");
  return drawScenes({ rng, length, task: "detection", answerFrame: frame, everyWordNeeded: false });
}

async function imitateDetection(
  { policy, frame, optimizer }: Learner,
  seed: number,
  options: RewardHackingOptions,
): Promise<void> {
  const { warmSteps, maxNewTokens, signal } = options;
  if (warmSteps === 0) return;
  const reports = finetune({
    policy,
    dataset: detectionScenes(seed, "warm", warmSteps * warmBatch, frame),
    optimizer: optimizer(0.98),
    config: { ...warmConfig(seed, warmSteps), maxAnswerTokens: maxNewTokens },
    ...(signal && { signal }),
  });
  for await (const report of reports) if (report.ending === "aborted") break;
}

async function reinforce(
  { policy, frame, optimizer }: Learner,
  name: RewardName,
  seed: number,
  options: RewardHackingOptions,
): Promise<number[]> {
  const { steps, promptsPerStep, groupSize, maxNewTokens, signal } = options;
  const lengths: number[] = [];
  const reports = train<Target>({
    policy,
    dataset: detectionScenes(seed, "train", steps * promptsPerStep, frame),
    score: weightedSum({
      detection: detectionRewards[name]({ frame }),
      format: [0.2, formatReward()],
    }),
    optimizer: optimizer(0.99),
    config: {
      ...grpoConfig(seed, steps),
      learningRate,
      promptsPerStep,
      groupSize,
      maxNewTokens,
      measureKlEvery: 0,
      guards: [],
    },
    ...(signal && { signal }),
  });
  for await (const { metrics } of reports) lengths.push(metrics["completion/length"] ?? 0);
  signal?.throwIfAborted();
  return lengths;
}

async function note(
  scores: Record<string, number[][]>,
  { policy, frame }: Learner,
  seed: number,
  { samples, maxNewTokens, signal }: RewardHackingOptions,
): Promise<void> {
  const surplus: RewardFunction<Target> = ({ completion, sample }) =>
    readDetections(completion).length / Math.max(1, sample.target.objects.length);
  const metrics: Readonly<Record<(typeof measured)[number], RewardFunction<Target>>> = {
    AP: mapReward({ frame }),
    AP50: ap50Reward({ frame }),
    "boxes for each true one": surplus,
    tokens: ({ tokenCount = 0 }) => tokenCount,
  };
  const report = await evaluate<Target>({
    model: policy,
    dataset: detectionScenes(seed, "heldOut", samples, frame),
    metrics,
    rng: createRng(seed).fork("evaluation"),
    batchSize: 64,
    maxNewTokens,
    resamples: 1,
    ...(signal && { signal }),
  });
  for (const name of measured) scores[name]?.push(report.rows.map((row) => row.scores[name] ?? 0));
}

/** The tables of docs/results.md: held-out numbers, then the length of answers over time. */
export function rewardHackingTables(outcomes: Readonly<Record<string, HackingOutcome>>): string {
  const plain = ({ mean, low, high }: SeedMean): string =>
    `${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  const rows = Object.entries(outcomes).map(([name, { scores }]) => [
    name,
    ...measured.map((metric, i) => (i < 2 ? percentText : plain)(seedMean(scores[metric]))),
  ]);
  const trained = Object.entries(outcomes).filter(([, { lengths }]) => lengths.length > 0);
  const steps = trained[0]?.[1].lengths.length ?? 0;
  const moments = [
    ...new Set([0, 0.25, 0.5, 0.75, 1].map((share) => Math.max(1, Math.round(share * steps)))),
  ];
  const lengths = trained.map(([name, outcome]) => [
    name,
    ...moments.map((step) => (outcome.lengths[step - 1] ?? Number.NaN).toFixed(1)),
  ]);
  return [
    markdownTable(["reward", "AP, %", "AP50, %", "boxes for each true one", "tokens"], rows),
    "Mean tokens of a sampled answer, at steps of the run:",
    markdownTable(["reward", ...moments.map((step) => `step ${step}`)], lengths),
  ].join("\n\n");
}
