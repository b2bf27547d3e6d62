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
import { claimRunFolder, writeWhole } from "../run/claim.ts";
import { performRun, trialSeconds, type PlannedRun, type RunOutcome } from "../run/perform.ts";
import { guardedSinks, openSinks } from "../run/sinks.ts";
import { duration, listenForInterruption, type Terminal } from "../terminal.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 grpo` and `vlmr1 sft`: reinforcement learning and imitation, on any data, from any checkpoint, with the same reports. */
export function buildTraining(kind: "grpo" | "sft"): BuildCommand {
  return (command, terminal) => {
    command
      .option("--dry-run", "print the resolved plan; no weight is read")
      .option("--trial", "print the plan with the time of a step, measured by trying two")
      .option("--overwrite", "replace the run that lies in --out")
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
  const claim = claimRunFolder(directory, {
    resume,
    overwrite: given.extras["overwrite"] === true,
    command: kind,
  });
  try {
    writeWhole(join(directory, configFile), `${JSON.stringify(config, null, 2)}\n`);
    await follow({ plan, directory, resume }, terminal);
  } finally {
    claim.release();
  }
}

/** Performs a run in a folder that is claimed, with everybody who follows it. */
async function follow(
  { plan, directory, resume }: Pick<PlannedRun, "plan" | "directory" | "resume">,
  terminal: Terminal,
): Promise<void> {
  const { config, kind } = plan;
  const live = config.live && { live: { port: config.port } };
  const opened = await openSinks({ directory, terminal, logEvery: config.logEvery, ...live });
  const { sinks, close } = guardedSinks(opened);
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
  } catch (cause) {
    interruption.dispose();
    await close().catch((unwritten: Error) => terminal.say(unwritten.message));
    throw cause;
  }
  interruption.dispose();
  await close();
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
  const { ending, step: steps, rollbacks = 0 } = summary;
  const returned =
    rollbacks === 0
      ? ""
      : `\n${rollbacks} of them were undone: a guard returned to the last good weights. The notices say why; mostly the learning rate is too high.`;
  terminal.result(
    { before: means(before), after: means(after), steps, rollbacks, seconds, report, model, ending },
    `\n${endings[ending]} after ${steps} steps and ${duration(seconds)}.${returned}\n  report  ${report}\n  model   ${model}`,
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
