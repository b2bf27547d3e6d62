import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pixels, VlmR1Error } from "@vlmr1/core";
import type { EvaluationReport } from "@vlmr1/eval";
import { addConfig, type GivenConfig } from "../config/command.ts";
import { scopes } from "../config/options.ts";
import { configFile, resolveConfig } from "../config/resolve.ts";
import { fetchNamed } from "../hub/named.ts";
import { decide, type RunPlan } from "../plan/decide.ts";
import { estimate, estimateText, modelSize } from "../plan/estimate.ts";
import { commandLine } from "../program.ts";
import { openRunData } from "../datasets/run-data.ts";
import { performRun, trialSeconds, type RunOutcome } from "../run/perform.ts";
import { openSinks } from "../run/sinks.ts";
import { duration, listenForInterruption, type Terminal } from "../terminal.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 grpo` and `vlmr1 sft`: reinforcement learning and imitation, on any data, from any checkpoint, with the same reports. */
export function buildTraining(kind: "grpo" | "sft"): BuildCommand {
  return (command, terminal) => {
    command
      .option("--dry-run", "print the resolved plan; no weight is read")
      .option("--trial", "print the plan with the time of a step, measured by trying two")
      .option("--resume [dir]", "continue the run in this folder (or in --out) from its newest checkpoint");
    addConfig(command, scopes[kind], (given) => runTrainingCommand(kind, given, terminal()));
  };
}

/** From flags to a plan to a run. */
export async function runTrainingCommand(
  kind: "grpo" | "sft",
  given: GivenConfig,
  terminal: Terminal,
): Promise<void> {
  const { config: named, directory, resume } = resolveConfig(given, kind);
  const config = await fetchNamed(named, terminal.out);
  const plan = await decide(kind, config);
  const { dryRun, trial } = given.extras;
  if (dryRun || trial) return showPlan(plan, trial === true, terminal);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, configFile), `${JSON.stringify(config, null, 2)}\n`);
  const sinks = await openSinks({
    directory,
    terminal,
    logEvery: config.logEvery,
    ...(config.live && { live: { port: config.port } }),
  });
  const interruption = listenForInterruption(terminal.say);
  try {
    const { signal } = interruption;
    const command = commandLine(terminal.typed);
    const outcome = await performRun({ plan, directory, resume, command, sinks, signal, say: terminal.say });
    tellOutcome(outcome, terminal);
    const { ending, step } = outcome.summary;
    if (ending === "aborted")
      throw new VlmR1Error(
        "aborted",
        `Interrupted after step ${step}. Go on with: ${commandLine([kind, "--resume", directory])}`,
      );
  } finally {
    interruption.dispose();
    for (const sink of sinks) await sink.close();
  }
}

const endings = {
  finished: "Done",
  "early-stop": "Ended early, as configured,",
  guard: "Stopped by a guard",
  aborted: "Interrupted",
} as const;

function tellOutcome(
  { before, after, summary, seconds, report, model }: RunOutcome,
  terminal: Terminal,
): void {
  const { ending, step: steps } = summary;
  terminal.result(
    { before: means(before), after: means(after), steps, seconds, report, model, ending },
    `\n${endings[ending]} after ${steps} steps and ${duration(seconds)}.\n  report  ${report}\n  model   ${model}`,
  );
}

async function showPlan(plan: RunPlan, trial: boolean, terminal: Terminal): Promise<void> {
  const { config } = plan;
  // Only the numbers of samples are wanted: the frame, which the model knows, changes none.
  const { train, heldOut } = await openRunData(config, { frame: pixels });
  const estimated = estimate(plan, {
    size: modelSize(config),
    samples: train.length,
    heldOutSamples: heldOut?.length ?? 0,
    ...(trial && { secondsPerStep: await trialSeconds(plan) }),
  });
  terminal.result({ plan: estimated, config }, estimateText(estimated));
}

function means(report: EvaluationReport | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(report?.totals ?? {}).map(([name, { mean }]) => [name, mean]));
}
