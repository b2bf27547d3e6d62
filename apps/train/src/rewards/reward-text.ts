import { VlmR1Error } from "@vlmr1/core";
import { ramp, schedule, type StepValue } from "@vlmr1/rewards";

/** One rule by its name, or by its module and export: `iou-at-least:0.7`, `./mine.ts#brevity`, `@me/rewards#brevity`. */
export interface RuleRequest {
  readonly name: string;
  /** The number behind the name, which may follow the training step. */
  readonly value?: StepValue;
  /** For rules from outside: a file or a package, and the name of its export. */
  readonly module?: string;
  readonly exported?: string;
}

/** One reward as it was asked for: a rule with its weight, and what is done with it. */
export interface RewardRequest {
  /** Its name in reports. */
  readonly name: string;
  readonly weight: StepValue;
  readonly rule: RuleRequest;
  /** The rules that replace it, each from a step on. */
  readonly later: readonly { readonly from: number; readonly rule: RuleRequest }[];
  /** The rule that must have passed before this one pays. */
  readonly condition?: { readonly rule: RuleRequest; readonly atLeast: number; readonly otherwise: number };
  readonly clip?: readonly [low: number, high: number];
}

/** How a reward is written, for help and errors. */
export const rewardGrammar =
  "[weight*]rule[:number] [then RULE from STEP] [if RULE[>=n] [else n]] [clip LOW HIGH] [as NAME]";

/**
 * Reads one reward of a command line or a configuration file:
 *
 *     0.5*format                       a weight
 *     iou-at-least:0.7                 a number for the rule
 *     iou-at-least:0.3..0.7@500        that rises from step 0 to step 500 (or @100-500)
 *     iou-at-least:0.5|0.7@500         that changes at step 500
 *     iou then iou-at-least:0.7 from 500
 *     iou if format                    pays only where the other rule gives 1 (or if format>=0.5 else -1)
 *     giou clip 0 1 as overlap
 *
 * @throws VlmR1Error `invalid-argument` saying what was not understood.
 */
export function parseReward(text: string): RewardRequest {
  const words = text
    .trim()
    .replaceAll(/\s*\*\s*/g, "*")
    .split(/\s+/);
  const refuse = (reason: string): VlmR1Error =>
    new VlmR1Error(
      "invalid-argument",
      `The reward ${JSON.stringify(text)} was not understood: ${reason} It is written ${rewardGrammar}, for example 0.5*format.`,
    );
  const number = (word: string | undefined, what: string): number => {
    const value = word === undefined || word === "" ? Number.NaN : Number(word);
    if (Number.isFinite(value)) return value;
    throw refuse(`${what} must be a number, got ${JSON.stringify(word ?? "nothing")}.`);
  };
  const first = words.shift() ?? "";
  const star = first.startsWith("*") ? 0 : first.indexOf("*");
  const weight = star < 0 ? 1 : stepValue(first.slice(0, star), refuse);
  const rule = parseRule(first.slice(star + 1), refuse);
  const later: { from: number; rule: RuleRequest }[] = [];
  const rest: { -readonly [Key in "condition" | "clip" | "name"]?: NonNullable<RewardRequest[Key]> } = {};
  while (words.length > 0) {
    const word = words.shift();
    if (word === "then") {
      const next = parseRule(words.shift() ?? "", refuse);
      if (words.shift() !== "from") throw refuse("after then RULE comes from STEP.");
      later.push({ rule: next, from: number(words.shift(), "the step after from") });
    } else if (word === "if") {
      const [name = "", least] = (words.shift() ?? "").split(">=");
      const otherwise = words[0] === "else" ? number(words.splice(0, 2)[1], "what follows else") : 0;
      const atLeast = least === undefined ? 1 : number(least, "what follows >=");
      rest.condition = { rule: parseRule(name, refuse), atLeast, otherwise };
    } else if (word === "clip") {
      rest.clip = [number(words.shift(), "the lower limit"), number(words.shift(), "the upper limit")];
    } else if (word === "as" && words.length > 0) {
      rest.name = words.shift() as string;
    } else {
      throw refuse(`${JSON.stringify(word)} means nothing here.`);
    }
  }
  return { name: rule.name, weight, rule, later, ...rest };
}

/** Every rule that a reward may ask. */
export function rulesOf({ rule, later, condition }: RewardRequest): RuleRequest[] {
  return [rule, ...later.map((next) => next.rule), ...(condition ? [condition.rule] : [])];
}

function parseRule(text: string, refuse: (reason: string) => VlmR1Error): RuleRequest {
  if (text === "") throw refuse("a rule is missing.");
  const hash = text.indexOf("#");
  if (hash >= 0 || /^[./]|\.[mc]?[jt]s$/.test(text)) {
    const exported = hash < 0 ? "reward" : text.slice(hash + 1);
    return { name: exported, module: hash < 0 ? text : text.slice(0, hash), exported };
  }
  const colon = text.indexOf(":");
  if (colon < 0) return { name: text };
  return { name: text.slice(0, colon), value: stepValue(text.slice(colon + 1), refuse) };
}

/** `0.5`, `0.3..0.7@500`, `0.3..0.7@100-500`, or `0.5|0.7@500|0.9@900`. */
function stepValue(text: string, refuse: (reason: string) => VlmR1Error): StepValue {
  const read = (part: string): number => {
    const value = part === "" ? Number.NaN : Number(part);
    if (Number.isFinite(value)) return value;
    throw refuse(
      `${JSON.stringify(text)} is no number, and none that follows the step (0.3..0.7@500 or 0.5|0.7@500).`,
    );
  };
  if (text.includes("..")) {
    const [span = "", steps = ""] = text.split("@");
    const [from = "", to = ""] = span.split("..");
    const [start, end] = steps.includes("-") ? steps.split("-") : ["0", steps];
    return ramp(read(from), read(to), { start: read(start ?? ""), end: read(end ?? "") });
  }
  if (!text.includes("|")) return read(text);
  const stages = text.split("|").map((part, index): [number, number] => {
    const [value = "", step] = part.split("@");
    return [index === 0 && step === undefined ? 0 : read(step ?? ""), read(value)];
  });
  return schedule(stages);
}
