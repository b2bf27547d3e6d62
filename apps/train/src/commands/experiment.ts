import { VlmR1Error } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import type { Command } from "commander";
import { writeResults, type ResultSection } from "../experiments/experiment.ts";
import { rewardHacking, rewardHackingTables } from "../experiments/reward-hacking.ts";
import { sftVsRl, sftVsRlTable } from "../experiments/sft-vs-rl.ts";
import { addDeviceOptions, openDevice, type DeviceOptions } from "../model/device.ts";
import { commandLine } from "../program.ts";
import { duration, listenForInterruption, type Terminal } from "../terminal.ts";
import { numberOption } from "./options.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 experiment …`: questions of the literature, asked of drawn scenes. */
export const buildExperiment: BuildCommand = (command, terminal) => {
  shared(command.command("sft-vs-rl"), { steps: 300, samples: 500 })
    .description("does imitation or reinforcement carry over to scenes unlike those of training?")
    .action((options: ExperimentOptions) => runSftVsRl(options, terminal()));
  shared(command.command("reward-hacking"), { steps: 150, samples: 200 })
    .description("what does a model learn to do with a detection reward?")
    .option("--warm-steps <n>", "steps of imitation that teach the form of a completion", numberOption, 400)
    .option("--max-new-tokens <n>", "longest completion", numberOption, 128)
    .action((options: HackingOptions) => runRewardHacking(options, terminal()));
};

function shared(
  command: Command,
  { steps, samples }: { readonly steps: number; readonly samples: number },
): Command {
  command
    .option("--seeds <n>", "how many seeds, from 0", numberOption, 3)
    .option("--steps <n>", "steps of training", numberOption, steps)
    .option("--samples <n>", "scenes of each split to measure on", numberOption, samples)
    .option("--prompts-per-step <n>", "prompts of a step", numberOption, 16)
    .option("--group-size <n>", "completions of each prompt", numberOption, 8)
    .option("--model <dir>", "checkpoint to start from, or nano: the demo's warm start", "nano")
    .option("--write <file>", "put the tables into this page, such as docs/results.md");
  return addDeviceOptions(command);
}

/** What both experiments take from the command line. */
export interface ExperimentOptions extends DeviceOptions {
  readonly seeds: number;
  readonly steps: number;
  readonly samples: number;
  readonly promptsPerStep: number;
  readonly groupSize: number;
  readonly model: string;
  readonly write?: string;
}

interface HackingOptions extends ExperimentOptions {
  readonly warmSteps: number;
  readonly maxNewTokens: number;
}

interface Tools {
  readonly engine: Engine;
  readonly seeds: readonly number[];
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** `vlmr1 experiment sft-vs-rl`. */
export async function runSftVsRl(options: ExperimentOptions, terminal: Terminal): Promise<void> {
  await perform(options, terminal, async (tools) => {
    const scores = await sftVsRl({ ...options, ...tools });
    const section: ResultSection = {
      name: "sft-vs-rl",
      title: "Imitation or reinforcement",
      question:
        "From the same start, on the same prompts: which generalises? SFT imitates a written answer to each prompt, at two learning rates; GRPO sees only whether the box is right.",
      command: commandOf("sft-vs-rl", options),
      setting: `${settingOf(options)} Each out-of-domain split changes one thing: a colour and shape never seen together, hatched drawings, more objects, two relations in a row, striped ground.`,
      tables: sftVsRlTable(scores),
    };
    return { section, value: { scores } };
  });
}

/** `vlmr1 experiment reward-hacking`. */
export async function runRewardHacking(options: HackingOptions, terminal: Terminal): Promise<void> {
  await perform(options, terminal, async (tools) => {
    const outcomes = await rewardHacking({ ...options, ...tools });
    const section: ResultSection = {
      name: "reward-hacking",
      title: "What a detection reward teaches",
      question:
        "VLM-R1 reports that mAP alone invites ever more boxes, and that odLength, which makes surplus boxes cost, cures it. The same start and prompts under mAP, AP50 and odLength:",
      command: `${commandOf("reward-hacking", options)} --warm-steps ${options.warmSteps} --max-new-tokens ${options.maxNewTokens}`,
      setting: `${settingOf(options)} The start is the warm start after ${options.warmSteps} steps of imitating detection answers.`,
      tables: rewardHackingTables(outcomes),
    };
    return { section, value: { outcomes } };
  });
}

async function perform(
  options: ExperimentOptions,
  terminal: Terminal,
  work: (tools: Tools) => Promise<{ section: ResultSection; value: object }>,
): Promise<void> {
  const begun = performance.now();
  const { say } = terminal;
  const interruption = listenForInterruption(say);
  const { signal } = interruption;
  const engine = await openDevice(options);
  try {
    const seeds = Array.from({ length: options.seeds }, (_, seed) => seed);
    const { section, value } = await work({ engine, seeds, signal, say });
    if (options.write !== undefined) writeResults(options.write, section);
    const seconds = (performance.now() - begun) / 1000;
    terminal.result({ ...value, seconds }, `\n${section.tables}\n\n${duration(seconds)}`);
  } catch (cause) {
    if (signal.aborted)
      throw new VlmR1Error(
        "aborted",
        "Interrupted: an experiment keeps nothing. Start it again with fewer --seeds or --steps.",
        { cause },
      );
    throw cause;
  } finally {
    interruption.dispose();
    await engine.dispose();
  }
}

function commandOf(name: string, options: ExperimentOptions): string {
  const { seeds, steps, samples, promptsPerStep, groupSize, model, write } = options;
  const numbers = `--seeds ${seeds} --steps ${steps} --samples ${samples} --prompts-per-step ${promptsPerStep} --group-size ${groupSize}`;
  const rest = [
    ...(model === "nano" ? [] : ["--model", model]),
    ...(write === undefined ? [] : ["--write", write]),
  ];
  return commandLine(["experiment", name, ...numbers.split(" "), ...rest]);
}

function settingOf({ seeds, steps, samples, promptsPerStep, groupSize, model }: ExperimentOptions): string {
  const start = model === "nano" ? "`nano` from the demo's warm start" : model;
  return `${start}, ${seeds} seeds, ${steps} steps of ${promptsPerStep} prompts (${groupSize} completions each for GRPO), ${samples} held-out scenes of each kind and seed.`;
}
