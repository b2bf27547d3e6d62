import type { Command } from "commander";
import type { AddCommand } from "../command-line.ts";
import { numberOption } from "./number-option.ts";

/** `vlmr1 experiment …`: questions of the literature, asked of drawn scenes. */
export const addExperiment: AddCommand = (program, terminal) => {
  const command = program
    .command("experiment")
    .description("questions of the literature, asked of drawn scenes");
  const work = () => import("../experiments/run-experiment.ts");
  shared(command.command("sft-vs-rl"), { steps: 300, samples: 500 })
    .description("does imitation or reinforcement carry over to scenes unlike those of training?")
    .action(async (options) => (await work()).runSftVsRl(options, terminal()));
  shared(command.command("reward-hacking"), { steps: 150, samples: 200 })
    .description("what does a model learn to do with a detection reward?")
    .option("--warm-steps <n>", "steps of imitation that teach the form of an answer", numberOption, 400)
    .option("--max-new-tokens <n>", "longest answer", numberOption, 128)
    .action(async (options) => (await work()).runRewardHacking(options, terminal()));
};

function shared(
  command: Command,
  { steps, samples }: { readonly steps: number; readonly samples: number },
): Command {
  return command
    .option("--seeds <n>", "how many seeds, from 0", numberOption, 3)
    .option("--steps <n>", "steps of training", numberOption, steps)
    .option("--samples <n>", "scenes of each split to measure on", numberOption, samples)
    .option("--prompts-per-step <n>", "prompts of a step", numberOption, 16)
    .option("--group-size <n>", "answers to each prompt", numberOption, 8)
    .option("--model <dir>", "checkpoint to start from (default: the demo's warm start)")
    .option("--threads <n>", "threads inside one operation", numberOption)
    .option("--write <file>", "put the tables into this page, such as docs/results.md");
}
