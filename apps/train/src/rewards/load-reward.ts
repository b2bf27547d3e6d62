import { VlmR1Error, type RewardFunction, type ScoreFunction } from "@vlmr1/core";
import { weightedSum, type WeightedReward } from "@vlmr1/rewards";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { TruthKind } from "../datasets/named-datasets.ts";
import { namedRewards, type RewardSettings } from "./named-rewards.ts";

/** One reward as it was asked for: `0.5*format`, `iou-at-least:0.7`, `./mine.ts#brevity`, `@me/rewards#brevity`. */
export interface RewardRequest {
  readonly name: string;
  readonly weight: number;
  readonly value?: number;
  /** For rewards from outside: a file or a package, and the name of its export. */
  readonly module?: string;
  readonly exported?: string;
}

/**
 * Reads one reward of a command line.
 *
 * @throws VlmR1Error `invalid-argument` when it has not the form `[weight*]name[:number]` or `[weight*]module#export`.
 */
export function parseReward(text: string): RewardRequest {
  const star = text.indexOf("*");
  const weight = star < 0 ? 1 : Number(text.slice(0, star));
  const rest = text.slice(star + 1).trim();
  if (!Number.isFinite(weight) || rest === "") {
    throw new VlmR1Error(
      "invalid-argument",
      `${JSON.stringify(text)} is not a reward. Write name, weight*name, name:number or ./file.ts#export, for example 0.5*format.`,
    );
  }
  const hash = rest.indexOf("#");
  const isOutside = hash >= 0 || /^[./]|\.[mc]?[jt]s$/.test(rest);
  if (isOutside) {
    const module = hash < 0 ? rest : rest.slice(0, hash);
    const exported = hash < 0 ? "reward" : rest.slice(hash + 1);
    return { name: exported, weight, module, exported };
  }
  const colon = rest.lastIndexOf(":");
  if (colon < 0) return { name: rest, weight };
  const value = Number(rest.slice(colon + 1));
  if (rest.slice(colon + 1).trim() !== "" && Number.isFinite(value))
    return { name: rest.slice(0, colon), weight, value };
  throw new VlmR1Error(
    "invalid-argument",
    `${JSON.stringify(text)}: what follows the colon must be a number.`,
  );
}

/**
 * The reward that was asked for. A module's export is a reward, or a function without parameters that makes one.
 *
 * @throws VlmR1Error `not-found` for an unknown name, file, package or export, listing what there is.
 */
export async function loadReward(request: RewardRequest, settings: RewardSettings): Promise<RewardFunction> {
  if (request.module !== undefined) return outsideReward(request);
  const found = namedRewards[request.name] ?? namedRewards[kebab(request.name)];
  if (found) {
    return found.create({
      ...settings,
      ...(request.value !== undefined && { value: request.value }),
    }) as RewardFunction;
  }
  throw new VlmR1Error(
    "not-found",
    `There is no reward named ${JSON.stringify(request.name)}. There are: ${Object.keys(namedRewards).join(", ")}. ` +
      "A reward of your own is ./file.ts#export, or package#export.",
  );
}

/** The weighted sum of the rewards that a list names. */
export async function loadScore(texts: readonly string[], settings: RewardSettings): Promise<ScoreFunction> {
  const parts: Record<string, WeightedReward> = {};
  for (const text of texts) {
    const request = parseReward(text);
    const reward = await loadReward(request, settings);
    if (request.name in parts)
      throw new VlmR1Error("invalid-argument", `The reward ${request.name} is named twice.`);
    parts[request.name] = [request.weight, reward as RewardFunction<never>];
  }
  return weightedSum(parts) as ScoreFunction;
}

async function outsideReward({ module, exported, name }: RewardRequest): Promise<RewardFunction> {
  const target = locate(module as string);
  let loaded: Readonly<Record<string, unknown>>;
  try {
    loaded = (await import(target)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new VlmR1Error(
      "invalid-argument",
      `The module ${module} cannot be imported: ${(cause as Error).message}`,
      { cause },
    );
  }
  const value = loaded[exported as string];
  if (typeof value !== "function") {
    const functions = Object.keys(loaded).filter((key) => typeof loaded[key] === "function");
    throw new VlmR1Error(
      "not-found",
      `${module} exports no function ${exported}. It exports: ${functions.join(", ") || "none"}.`,
    );
  }
  if (value.length > 0) return value as RewardFunction;
  // Without a required parameter it is a factory, or a rule that does not look.
  const made: unknown = (value as () => unknown)();
  if (typeof made === "function") return made as RewardFunction;
  if (typeof made === "number") return value as RewardFunction;
  throw new VlmR1Error(
    "invalid-argument",
    `${module}#${name} is neither a reward nor a function that makes one.`,
  );
}

function locate(module: string): string {
  const path = resolve(module);
  if (existsSync(path)) return pathToFileURL(path).href;
  if (/^[./]/.test(module)) throw new VlmR1Error("not-found", `There is no file ${path}.`);
  try {
    // Packages are the caller's: they are looked up from the folder in which the command runs.
    return pathToFileURL(createRequire(resolve("package.json")).resolve(module)).href;
  } catch (cause) {
    throw new VlmR1Error(
      "not-found",
      `There is no package ${module} here. Install it with npm install ${module}.`,
      { cause },
    );
  }
}

function kebab(name: string): string {
  return name
    .replace(/Reward$/, "")
    .replaceAll(/[A-Z]+/g, (letters, at: number) => `${at === 0 ? "" : "-"}${letters.toLowerCase()}`)
    .replaceAll("_", "-");
}

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
