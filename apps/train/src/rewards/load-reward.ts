import { VlmR1Error, type RewardFunction, type ScoreFunction } from "@vlmr1/core";
import { clip, gate, schedule, weightedSum, type WeightedReward } from "@vlmr1/rewards";
import { didYouMean } from "../config/suggest.ts";
import { namedRewards, type NamedReward, type RewardSettings, type Truth } from "./named-rewards.ts";
import { outsideFunction } from "./outside-modules.ts";
import { parseReward, rulesOf, type RewardRequest, type RuleRequest } from "./reward-text.ts";

/**
 * The reward that was asked for. A module's export is a reward, or a function without parameters that makes one.
 *
 * @throws VlmR1Error `not-found` for an unknown name, file, package or export, listing what there is; `invalid-argument` for a number that
 * the rule does not take.
 */
export async function loadReward(request: RewardRequest, settings: RewardSettings): Promise<RewardFunction> {
  const { rule, later, condition, clip: limits } = request;
  let reward = await loadRule(rule, settings);
  if (later.length > 0) {
    const stages: [number, RewardFunction][] = [[0, reward]];
    for (const { from, rule: next } of later) stages.push([from, await loadRule(next, settings)]);
    reward = schedule(stages);
  }
  if (condition) {
    const { atLeast, otherwise } = condition;
    reward = gate(await loadRule(condition.rule, settings), reward, { atLeast, otherwise });
  }
  return limits ? clip(reward, ...limits) : reward;
}

/** The weighted sum of the rewards that a list names. */
export async function loadScore(texts: readonly string[], settings: RewardSettings): Promise<ScoreFunction> {
  const parts: Record<string, WeightedReward> = {};
  for (const text of texts) {
    const request = parseReward(text);
    const { name, weight } = request;
    if (name in parts)
      throw new VlmR1Error(
        "invalid-argument",
        `Two rewards have the name ${name}. Give one another: "${text} as NAME".`,
      );
    parts[name] = [weight, (await loadReward(request, settings)) as RewardFunction<never>];
  }
  return weightedSum(parts) as ScoreFunction;
}

/**
 * Refuses rewards whose truth the data does not have, before anything is loaded.
 *
 * @param truth the fields of a sample's target.
 */
export function checkTruth(texts: readonly string[], truth: readonly Truth[]): void {
  for (const rule of texts.flatMap((text) => rulesOf(parseReward(text)))) {
    const needed = rule.module === undefined ? named(rule.name)?.target : undefined;
    if (needed === undefined || needed === "none" || truth.includes(needed)) continue;
    if (needed === "point" && truth.includes("box")) continue;
    const fitting = Object.entries(namedRewards).filter(
      ([, { target }]) => target === "none" || truth.includes(target),
    );
    throw new VlmR1Error(
      "invalid-argument",
      `The reward ${rule.name} compares with ${article(needed)}, but this data has ${truth.map(article).join(" and ")}. ` +
        `Rewards that fit: ${fitting.map(([key]) => key).join(", ")}.`,
    );
  }
}

async function loadRule(request: RuleRequest, settings: RewardSettings): Promise<RewardFunction> {
  const { name, value, module, exported } = request;
  if (module !== undefined && exported !== undefined) return outsideReward(module, exported);
  const found = named(name);
  if (!found) throw unknownReward(name);
  if (value !== undefined && found.number === undefined)
    throw new VlmR1Error("invalid-argument", `The reward ${name} takes no number after its name.`);
  if (typeof value === "function" && found.number?.follows !== true)
    throw new VlmR1Error(
      "invalid-argument",
      `The number of ${name} (${found.number?.what}) cannot follow the step.`,
    );
  return found.create({ ...settings, ...(value !== undefined && { value }) }) as RewardFunction;
}

function unknownReward(name: string): VlmR1Error {
  const names = Object.keys(namedRewards);
  const hint = didYouMean(name, names) || ` There are: ${names.join(", ")}.`;
  return new VlmR1Error(
    "not-found",
    `There is no reward named ${JSON.stringify(name)}.${hint} A reward of your own is ./file.ts#export, or package#export.`,
  );
}

async function outsideReward(module: string, exported: string): Promise<RewardFunction> {
  const value = await outsideFunction(module, exported);
  if (value.length > 0) return value as RewardFunction;
  // Without a required parameter it is a factory, or a rule that does not look.
  const made: unknown = (value as () => unknown)();
  if (typeof made === "function") return made as RewardFunction;
  if (typeof made === "number") return value as RewardFunction;
  throw new VlmR1Error(
    "invalid-argument",
    `${module}#${exported} is neither a reward nor a function that makes one.`,
  );
}

/** A rule by its name here, or by the name of its function (`iouReward`). */
function named(name: string): NamedReward | undefined {
  return Object.hasOwn(namedRewards, name) ? namedRewards[name] : namedRewards[ruleName(name)];
}

function ruleName(name: string): string {
  return name
    .replace(/Reward$/, "")
    .replaceAll(/[A-Z]+/g, (letters, at: number) => `${at === 0 ? "" : "-"}${letters.toLowerCase()}`)
    .replaceAll("_", "-");
}

function article(kind: string): string {
  return kind === "objects" ? "objects" : `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`;
}
