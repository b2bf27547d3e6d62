import { pixels, VlmR1Error, type RewardFunction, type ScoreFunction } from "@vlmr1/core";
import {
  checkMetricNames,
  finetuneMetrics,
  grpoMetrics,
  losses,
  optimizers,
  type Optimizer,
  type PolicyLoss,
  type PromptWeight,
} from "@vlmr1/grpo";
import type { RunConfig } from "../config/run-config.ts";
import { given } from "../config/variant-options.ts";
import { checkPath, truthOf, type TruthKind } from "../datasets/named-datasets.ts";
import { checkTruth, loadReward, loadScore } from "../rewards/load-reward.ts";
import type { RewardSettings, Truth } from "../rewards/named-rewards.ts";
import { outsideFunction } from "../rewards/outside-modules.ts";
import { parseReward } from "../rewards/reward-text.ts";

/** A run of `vlmr1 grpo` or `vlmr1 sft` with everything decided that needs neither model nor data. */
export interface RunPlan {
  readonly kind: "grpo" | "sft";
  readonly config: RunConfig;
  readonly optimizer: Optimizer;
  readonly loss: PolicyLoss;
  /** The rewards of training as they were written. */
  readonly rewards: readonly string[];
  /** The weighted sum of the rewards, and the metrics of evaluations, once the frame of the model's boxes is known. */
  readonly score: (settings: RewardSettings) => Promise<ScoreFunction>;
  readonly metrics: (settings: RewardSettings) => Promise<Readonly<Record<string, RewardFunction>>>;
  /** How often each of `length` prompts is drawn at a step; absent: equally often. */
  readonly promptWeight?: (length: number) => PromptWeight;
}

/**
 * Decides what a configuration means, and tries every rule once: what can be wrong without model and data is told before either is opened.
 *
 * @throws VlmR1Error `invalid-argument` or `not-found` naming the option, its value and what there is.
 */
export async function decide(kind: "grpo" | "sft", config: RunConfig): Promise<RunPlan> {
  checkPath(config);
  const truth = truthOf({ ...config, frame: pixels, stream: "" });
  const rewards = config.rewards ?? usualRewards[mainTruth(truth)];
  const { judge } = config;
  const promptWeight = kind === "grpo" ? await chosenCurriculum(config.curriculum) : undefined;
  const plan: RunPlan = {
    kind,
    config,
    optimizer: optimizers[config.optimizer](given(config.optimizerOptions)),
    loss: losses[config.loss](given(config.lossOptions)),
    rewards: kind === "grpo" ? rewards : [],
    score: async (settings) => {
      checkTruth(rewards, truth);
      return loadScore(rewards, { judge, ...settings });
    },
    metrics: (settings) => evaluationMetrics(config, truth, settings),
    ...(promptWeight && { promptWeight }),
  };
  if (kind === "grpo") await plan.score({ frame: pixels });
  const metrics = await plan.metrics({ frame: pixels });
  checkMetricNames(config[kind], reported(plan, Object.keys(metrics)));
  return plan;
}

/** The metrics that the steps of a run can report. */
function reported({ kind, config, rewards }: RunPlan, evaluation: readonly string[]): string[] {
  const isEvaluated =
    config[kind].evaluateEvery > 0 && (config.heldOut !== undefined || config.heldOutData !== undefined);
  return [
    ...(isEvaluated ? evaluation.map((name) => `eval/${name}`) : []),
    ...rewards.map((text) => `reward/${parseReward(text).name}`),
    ...(kind === "grpo" ? grpoMetrics : finetuneMetrics),
  ];
}

/** Rewards to train with, when a configuration names none. */
const usualRewards: Readonly<Record<TruthKind, readonly string[]>> = {
  box: ["iou", "format"],
  objects: ["od-length", "0.5*format"],
  answer: ["all-match", "format"],
};

/** Rewards to measure with, when a configuration names none; the first is the headline, the last ranks examples. */
const usualMetrics: Readonly<Record<TruthKind, readonly string[]>> = {
  box: ["iou-at-least:0.5", "iou"],
  objects: ["ap50", "map"],
  answer: ["all-match"],
};

/** Names of metrics in reports, where the rule's own would puzzle. */
const metricNames: Readonly<Record<string, string>> = { "iou-at-least:0.5": "accuracy", iou: "mean IoU" };

/** The metrics of an evaluation by the names they have in its report. */
export async function evaluationMetrics(
  { evaluation, judge }: RunConfig,
  truth: readonly Truth[],
  settings: RewardSettings,
): Promise<Readonly<Record<string, RewardFunction>>> {
  const texts = evaluation.metrics ?? usualMetrics[mainTruth(truth)];
  checkTruth(texts, truth);
  const metrics: Record<string, RewardFunction> = {};
  for (const text of texts) {
    const request = parseReward(text);
    const name = metricNames[text] ?? (request.name === request.rule.name ? text : request.name);
    metrics[name] = await loadReward(request, { judge, ...settings });
  }
  return metrics;
}

function mainTruth(truth: readonly Truth[]): TruthKind {
  return (["box", "objects", "answer"] as const).find((kind) => truth.includes(kind)) ?? "answer";
}

/** The curriculum that a configuration names: `in-order:500`, or a function of prompt index and step that a module exports. */
async function chosenCurriculum(
  text: string | undefined,
): Promise<((length: number) => PromptWeight) | undefined> {
  if (text === undefined) return undefined;
  const [name = "", number] = text.split(":");
  if (name === "in-order" && Number.isInteger(Number(number)) && Number(number) > 0)
    return (length) => inOrder(length, Number(number));
  const [module = "", exported = "curriculum"] = text.split("#");
  if (!text.includes("#"))
    throw new VlmR1Error(
      "invalid-argument",
      `--curriculum is in-order:STEPS or ./file.ts#export, got ${JSON.stringify(text)}.`,
    );
  const weight = (await outsideFunction(module, exported)) as (...args: readonly number[]) => number;
  return () => weight;
}

/** The data is open from its beginning: a tenth at first, all of it by `steps`. Data that is sorted from easy to hard makes it a curriculum. */
function inOrder(length: number, steps: number): PromptWeight {
  return (index, step) => {
    const share = Math.min(1, 0.1 + (0.9 * step) / steps);
    return index < Math.max(1, Math.ceil(share * length)) ? 1 : 0;
  };
}
