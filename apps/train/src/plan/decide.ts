import { pixels, type RewardFunction, type ScoreFunction } from "@vlmr1/core";
import { losses, optimizers, type Optimizer, type PolicyLoss } from "@vlmr1/grpo";
import type { RunConfig } from "../config/run-config.ts";
import { given } from "../config/variant-options.ts";
import { namedDatasets, type TruthKind } from "../datasets/named-datasets.ts";
import { evaluationMetrics, rewardNames, trainingScore } from "../rewards/load-reward.ts";
import type { RewardSettings } from "../rewards/named-rewards.ts";

/** A run of `vlmr1 grpo` or `vlmr1 sft` with everything decided that needs neither model nor data. */
export interface RunPlan {
  readonly kind: "grpo" | "sft";
  readonly config: RunConfig;
  /** The truth that the data compares with. */
  readonly truth: TruthKind;
  readonly optimizer: Optimizer;
  readonly loss: PolicyLoss;
  /** The rewards of training as they are named in reports. */
  readonly rewards: readonly string[];
  /** The weighted sum of the rewards, and the metrics of evaluations, once the frame of the model's boxes is known. */
  readonly score: (settings: RewardSettings) => Promise<ScoreFunction>;
  readonly metrics: (settings: RewardSettings) => Promise<Readonly<Record<string, RewardFunction>>>;
}

/**
 * Decides what a configuration means, and tries every rule once: what can be wrong without model and data is told before either is opened.
 *
 * @throws VlmR1Error `invalid-argument` or `not-found` naming the option, its value and what there is.
 */
export async function decide(kind: "grpo" | "sft", config: RunConfig): Promise<RunPlan> {
  const truth = namedDatasets[config.dataset].truth({ ...config, frame: pixels, stream: "" });
  const rewards = rewardNames(config.rewards, truth);
  const plan: RunPlan = {
    kind,
    config,
    truth,
    optimizer: optimizers[config.optimizer](given(config.optimizerOptions)),
    loss: losses[config.loss](given(config.lossOptions)),
    rewards: kind === "grpo" ? rewards : [],
    score: (settings) => trainingScore(rewards, truth, settings),
    metrics: (settings) => evaluationMetrics(config.evaluation.metrics, truth, settings),
  };
  if (kind === "grpo") await plan.score({ frame: pixels });
  await plan.metrics({ frame: pixels });
  return plan;
}
