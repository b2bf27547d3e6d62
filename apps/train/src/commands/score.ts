import { createRng, pixels, thousand, unit, type FrameOf, type RewardInput } from "@vlmr1/core";
import { drawScenes, type SceneTask } from "@vlmr1/data";
import { audit } from "@vlmr1/rewards";
import { Option, type Command } from "commander";
import { sceneTasks } from "../config/run-config.ts";
import { loadReward, loadScore } from "../rewards/load-reward.ts";
import { parseReward, rewardGrammar } from "../rewards/reward-text.ts";
import { scoredLines } from "../rewards/scored-lines.ts";
import type { Terminal } from "../terminal.ts";
import type { BuildCommand } from "./index.ts";

/** The frames of `--frame`, where no model is known. */
const frames = { pixels, unit, thousand } as const satisfies Readonly<Record<string, FrameOf>>;

interface RewardOptions {
  readonly reward: readonly string[];
  readonly frame: keyof typeof frames;
}

interface ScoreOptions extends RewardOptions {
  readonly data: string;
}

interface AuditOptions extends RewardOptions {
  readonly data?: string;
  readonly task: SceneTask;
}

/** `vlmr1 score`: what rewards give to completions that any model wrote. No model is needed. */
export const buildScore: BuildCommand = (command, terminal) => {
  addRewardOptions(command)
    .requiredOption("--data <file>", 'lines of JSON: {"completion", "target", "image"?}')
    .action((options: ScoreOptions) => score(options, terminal()));
};

/** `vlmr1 audit`: what known exploits would earn under some rewards, before training finds them. */
export const buildAudit: BuildCommand = (command, terminal) => {
  addRewardOptions(command)
    .option(
      "--data <file>",
      'samples as lines of JSON: {"completion": "", "target", "image"?} (default: drawn scenes)',
    )
    .addOption(
      new Option("--task <task>", "drawn scenes to try it on").choices(sceneTasks).default("detection"),
    )
    .action((options: AuditOptions) => runAudit(options, terminal()));
};

function addRewardOptions(command: Command): Command {
  return command
    .requiredOption(
      "--reward <reward>",
      `${rewardGrammar}; a rule is a name, ./file.ts#export or package#export; repeat it or use commas to add rewards up`,
      (text: string, all: readonly string[]) => [...all, ...text.split(",")],
      [],
    )
    .addOption(
      new Option("--frame <frame>", "what the numbers of a box mean")
        .choices(Object.keys(frames))
        .default("pixels"),
    );
}

async function score(options: ScoreOptions, terminal: Terminal): Promise<void> {
  const frame = frames[options.frame];
  const requests = options.reward.map((text) => parseReward(text));
  const single = requests.length === 1 && requests[0]?.weight === 1 ? requests[0] : undefined;
  const scores: number[] = [];
  const parts: Readonly<Record<string, number>>[] = [];
  if (single) {
    const reward = await loadReward(single, { frame });
    for await (const input of scoredLines(options.data)) scores.push(await reward(input));
  } else {
    const combined = await loadScore(options.reward, { frame });
    for await (const input of scoredLines(options.data)) {
      const { total, scores: each } = await combined(input);
      scores.push(total);
      parts.push(each);
    }
  }
  const mean = scores.reduce((sum, value) => sum + value, 0) / Math.max(1, scores.length);
  const text = [
    ...scores.map((value, index) => `${String(index + 1).padStart(6)}  ${value.toFixed(4)}`),
    `  mean  ${mean.toFixed(4)}`,
  ];
  terminal.result({ scores, ...(parts.length > 0 && { parts }) }, text.join("\n"));
}

async function runAudit(options: AuditOptions, terminal: Terminal): Promise<void> {
  const frame = frames[options.frame];
  const samples =
    options.data === undefined ? await drawnSamples(options.task) : await readSamples(options.data);
  const rows = await audit(await loadScore(options.reward, { frame }), { samples, frame });
  const width = Math.max(...rows.map(({ exploit }) => exploit.length));
  const lines = rows.map(
    ({ exploit, earned, honest, beatsHonest }) =>
      `${exploit.padEnd(width)}  earns ${earned.toFixed(3)}  honest ${honest.toFixed(3)}  ${beatsHonest ? "PAYS" : ""}`,
  );
  terminal.result({ rows }, lines.join("\n"));
}

async function readSamples(file: string): Promise<RewardInput["sample"][]> {
  const samples: RewardInput["sample"][] = [];
  for await (const { sample } of scoredLines(file)) samples.push(sample);
  return samples;
}

function drawnSamples(task: SceneTask): Promise<RewardInput["sample"][]> {
  const scenes = drawScenes({ rng: createRng(0).fork("audit"), length: 32, task });
  return Promise.all(Array.from({ length: scenes.length }, (_, index) => scenes.get(index)));
}
