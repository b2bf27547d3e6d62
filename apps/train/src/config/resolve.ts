import { existsSync } from "node:fs";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { nanoRates } from "../nano/recipe.ts";
import { spellOutHubDataset } from "../hub/named.ts";
import { quoted } from "../program.ts";
import type { GivenConfig } from "./command.ts";
import { readConfig, type Chosen, type Tree } from "./read-config.ts";
import { RunConfig } from "./run-config.ts";

/** The file in a run folder that holds everything the run was told. */
export const configFile = "config.json";

/** A configuration with everything decided, and the folder of the run. */
export interface ResolvedConfig {
  readonly config: RunConfig;
  readonly directory: string;
  readonly resume: boolean;
}

/**
 * Decides every option of a run. `--resume` without a configuration takes the one of the run that is continued.
 *
 * @throws VlmR1Error `invalid-argument` naming what is wrong; `not-found` when there is nothing to resume.
 */
export function resolveConfig(given: GivenConfig, command: string): ResolvedConfig {
  const { options, flags, settings, extras } = given;
  const resume = extras["resume"];
  const out = typeof resume === "string" ? resume : (flags["out"] as string | undefined);
  const earlier = resume !== undefined && out !== undefined ? join(out, configFile) : undefined;
  if (resume !== undefined && earlier === undefined)
    throw new VlmR1Error("invalid-argument", "--resume needs the folder of the run: --resume runs/grpo.");
  if (earlier !== undefined && !existsSync(earlier))
    throw new VlmR1Error("not-found", `${earlier} does not exist: there is no run in ${out} to resume.`);
  const file = given.file ?? earlier;
  const sources = {
    flags,
    settings,
    preset: presetFor,
    spellOut: spellOutHubDataset,
    ...(file !== undefined && { file }),
  };
  const config = readConfig(RunConfig, options, sources);
  if (earlier !== undefined && file === earlier)
    refuseForeignCode(earlier, config, [...textsOf(flags), ...textsOf(settings)].join("\n"));
  const directory = out ?? config.out ?? newFolder(command);
  return { config: { ...config, out: directory }, directory, resume: resume !== undefined };
}

/**
 * A run folder may come from somebody else, and its configuration may name modules (`./mine.ts#reward`): resuming would run them.
 * @throws VlmR1Error `invalid-argument` unless the command line names them as well.
 */
function refuseForeignCode(file: string, config: RunConfig, typed: string): void {
  const modules = textsOf(config).filter(
    (text) => /[^\s*#]#[\w$]|\.[mc]?[jt]s\b/.test(text) && !typed.includes(text),
  );
  if (modules.length === 0) return;
  throw new VlmR1Error(
    "invalid-argument",
    `${file} names code, ${modules.map(quoted).join(" and ")}, which resuming would run. If it is yours, repeat on the command line the ` +
      "options that name it: --reward " +
      modules.map(quoted).join(" --reward "),
  );
}

/** Every text in a tree. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** What the built-in model is trained with: the recipe of the demo. */
const nanoPreset = {
  optimizerOptions: {
    betas: [0.9, 0.99],
    rates: Object.fromEntries(nanoRates),
  },
  /** On drawn scenes. */
  scenes: { heldOut: "new-scenes", heldOutLimit: 200 },
  /** On drawn scenes that ask for one object. */
  rewards: ["iou-at-least:0.5", "0.2*format"],
};

/** What a command starts from, under everything that the user says: good values depend on the model and on what is trained. */
function presetFor({ said, value }: Chosen): Tree {
  if (value("model") !== "nano") {
    const rate = value("train") === "lora" ? 1e-5 : 1e-6;
    return { grpo: { learningRate: rate }, sft: { learningRate: rate } };
  }
  const { optimizerOptions, scenes, rewards } = nanoPreset;
  const train = said("train") ?? "language";
  const warmup = Math.min(5, Math.floor(Number(value("grpo.steps")) / 10));
  const isWhole = train === "language" || train === "all"; // the multipliers are for parameters that these train
  const isDrawn = value("dataset") === "scenes";
  const task = isDrawn ? value("scenes.task") : "referring";
  const maxNewTokens = task === "detection" ? 128 : 32; // a box takes about 18
  return {
    train,
    evaluation: { batchSize: 100, maxNewTokens },
    grpo: { learningRate: 4e-4, maxNewTokens, schedule: { shape: "polynomial", warmup, power: 1, end: 0.1 } },
    sft: { learningRate: 1e-3, maxAnswerTokens: 2 * maxNewTokens },
    ...(isDrawn && scenes),
    ...(isDrawn && task === "referring" && { rewards }),
    ...(value("optimizer") === "adamw" && isWhole && { optimizerOptions }),
  };
}

/** `runs/<command>`, or the next free name beside it. */
export function newFolder(command: string): string {
  for (let number = 1; ; number++) {
    const directory = join("runs", number === 1 ? command : `${command}-${number}`);
    if (!existsSync(directory)) return directory;
  }
}
