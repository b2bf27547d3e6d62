import { VlmR1Error, type RewardFunction, type ScoreFunction } from "@vlmr1/core";
import { loadReward, loadScore, parseReward } from "../rewards/load-reward.ts";
import { namedRewards, type RewardSettings } from "../rewards/named-rewards.ts";
import type { TruthKind } from "./named-datasets.ts";

/** Rewards to train with, when a configuration names none. */
const trainingRules: Readonly<Record<TruthKind, readonly string[]>> = {
  box: ["iou", "format"],
  objects: ["od-length", "0.5*format"],
  answer: ["all-match", "format"],
};

/** Rewards to measure with, when a configuration names none; the first is the headline, the last ranks examples. */
const measures: Readonly<Record<TruthKind, readonly string[]>> = {
  box: ["iou-at-least:0.5", "iou"],
  objects: ["ap50", "map"],
  answer: ["all-match"],
};

/** Names of metrics in reports, where the rule's own would puzzle. */
const metricNames: Readonly<Record<string, string>> = { "iou-at-least:0.5": "accuracy", iou: "mean IoU" };

/** The rewards of a run, as they were named or by the kind of truth. */
export function rewardNames(named: readonly string[] | undefined, truth: TruthKind): readonly string[] {
  return named ?? trainingRules[truth];
}

/** The weighted sum that a run trains with. @throws VlmR1Error as `loadScore`, or when a rule needs what the data has not. */
export async function trainingScore(
  names: readonly string[],
  truth: TruthKind,
  settings: RewardSettings,
): Promise<ScoreFunction> {
  for (const name of names) checkTruth(name, truth);
  return loadScore(names, settings);
}

/** The metrics of an evaluation by the names they have in its report. */
export async function evaluationMetrics(
  named: readonly string[] | undefined,
  truth: TruthKind,
  settings: RewardSettings,
): Promise<Readonly<Record<string, RewardFunction>>> {
  const metrics: Record<string, RewardFunction> = {};
  for (const text of named ?? measures[truth]) {
    checkTruth(text, truth);
    metrics[metricNames[text] ?? text] = await loadReward(parseReward(text), settings);
  }
  return metrics;
}

/** Refuses a rule whose truth the data does not have, before anything is loaded. */
function checkTruth(text: string, truth: TruthKind): void {
  const { name, module } = parseReward(text);
  const needed = module === undefined ? namedRewards[name]?.target : undefined;
  if (needed === undefined || needed === "none" || needed === "solution" || needed === truth) return;
  if (needed === "point" && truth === "box") return;
  const fitting = Object.entries(namedRewards).filter(
    ([, { target }]) => target === truth || target === "none",
  );
  throw new VlmR1Error(
    "invalid-argument",
    `The reward ${name} compares with ${article(needed)}, but this data has ${article(truth)}. ` +
      `Rewards that fit: ${fitting.map(([key]) => key).join(", ")}.`,
  );
}

function article(kind: string): string {
  return kind === "objects" ? "objects" : `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`;
}
