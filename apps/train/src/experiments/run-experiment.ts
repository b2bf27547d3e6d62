import { VlmR1Error } from "@vlmr1/core";
import { openEngine, type Engine } from "@vlmr1/engine";
import { existsSync } from "node:fs";
import { shippedNano } from "../compose/open-run-model.ts";
import { duration } from "../page/report-page.ts";
import type { Terminal } from "../terminal.ts";
import { listenForInterruption } from "../training/interruption.ts";
import { rewardHacking, rewardHackingTables } from "./reward-hacking.ts";
import { writeResults, type ResultSection } from "./results-page.ts";
import { sftVsRl, sftVsRlTable } from "./sft-vs-rl.ts";

/** What both experiments take from the command line. */
export interface ExperimentOptions {
  readonly seeds: number;
  readonly steps: number;
  readonly samples: number;
  readonly promptsPerStep: number;
  readonly groupSize: number;
  readonly model?: string;
  readonly threads?: number;
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
  const say = (text: string): void => void terminal.out.write(`${text}\n`);
  const interruption = listenForInterruption(say);
  const { signal } = interruption;
  const engine = await openEngine(options.threads === undefined ? {} : { threads: options.threads });
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
  const { seeds, steps, samples, promptsPerStep, groupSize, write } = options;
  const numbers = `--seeds ${seeds} --steps ${steps} --samples ${samples} --prompts-per-step ${promptsPerStep} --group-size ${groupSize}`;
  return `npm run vlmr1 -- experiment ${name} ${numbers}${write === undefined ? "" : ` --write ${write}`}`;
}

function settingOf({ seeds, steps, samples, promptsPerStep, groupSize, model }: ExperimentOptions): string {
  const start =
    model ?? (existsSync(shippedNano) ? "`nano` from the demo's warm start" : "`nano` from random weights");
  return `${start}, ${seeds} seeds, ${steps} steps of ${promptsPerStep} prompts (${groupSize} answers each for GRPO), ${samples} held-out scenes of each kind and seed.`;
}
