import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pixels, VlmR1Error } from "@vlmr1/core";
import type { EvaluationReport } from "@vlmr1/eval";
import type { RunConfig, RunSchema } from "../config/run-config.ts";
import { evaluationMetrics, rewardNames, trainingScore } from "../datasets/default-rules.ts";
import { namedDatasets } from "../datasets/named-datasets.ts";
import { duration } from "../page/report-page.ts";
import { openSinks } from "../run/open-sinks.ts";
import type { Terminal } from "../terminal.ts";
import { listenForInterruption } from "../training/interruption.ts";
import type { GivenConfig } from "./config-command.ts";
import { chosenLoss } from "./chosen-loss.ts";
import { chosenOptimizer } from "./chosen-optimizer.ts";
import { modelSize } from "./model-size.ts";
import { planOf, planText } from "./plan.ts";
import { configFile, resolveConfig } from "./resolve-config.ts";
import { openRunData } from "./run-data.ts";
import { performRun } from "./training-run.ts";
import { trialSeconds } from "./trial.ts";

const endings = {
  finished: "Done",
  "early-stop": "Ended early, as configured,",
  guard: "Stopped by a guard",
  aborted: "Interrupted",
} as const;

/** Runs `vlmr1 grpo` or `vlmr1 sft` from what the command line gave. */
export async function trainingCommand(
  kind: "grpo" | "sft",
  given: GivenConfig<RunSchema>,
  terminal: Terminal,
): Promise<void> {
  const { config, directory, resume } = resolveConfig(given, kind);
  await checkRules(kind, config);
  const { dryRun, trial } = given.options;
  if (dryRun || trial) return showPlan(kind, config, trial === true, terminal);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, configFile), `${JSON.stringify(config, null, 2)}\n`);
  const sinks = await openSinks({ directory, terminal, ...(config.live && { live: { port: config.port } }) });
  const say = (text: string): void => void terminal.out.write(`${text}\n`);
  const interruption = listenForInterruption(say);
  const command = `npm run vlmr1 -- ${kind} ${given.typed.map(quoted).join(" ")}`.trim();
  try {
    const { signal } = interruption;
    const outcome = await performRun({ kind, config, directory, resume, command, sinks, signal, say });
    const { before, after, summary, seconds, report, model } = outcome;
    terminal.result(
      {
        before: means(before),
        after: means(after),
        steps: summary.step,
        seconds,
        report,
        model,
        ending: summary.ending,
      },
      `\n${endings[summary.ending]} after ${summary.step} steps and ${duration(seconds)}.\n  report  ${report}\n  model   ${model}`,
    );
    if (summary.ending === "aborted") {
      throw new VlmR1Error(
        "aborted",
        `Interrupted after step ${summary.step}. Go on with: npm run vlmr1 -- ${kind} --resume ${quoted(directory)}`,
      );
    }
  } finally {
    interruption.dispose();
    for (const sink of sinks) await sink.close();
  }
}

/** Everything that can be wrong without the model and the data, before either is opened. */
async function checkRules(kind: "grpo" | "sft", config: RunConfig): Promise<void> {
  const frame = pixels;
  const truth = namedDatasets[config.dataset].truth({ ...config, frame, stream: "" });
  chosenOptimizer(config);
  if (kind === "grpo") {
    chosenLoss(config);
    await trainingScore(rewardNames(config.rewards, truth), truth, { frame });
  }
  await evaluationMetrics(config.evaluation.metrics, truth, { frame });
}

async function showPlan(
  kind: "grpo" | "sft",
  config: RunConfig,
  trial: boolean,
  terminal: Terminal,
): Promise<void> {
  // Only the numbers of samples are wanted: the frame, which the model knows, changes none.
  const { train, heldOut, truth } = await openRunData(config, pixels);
  const plan = planOf({
    config,
    command: kind,
    size: modelSize(config),
    samples: train.length,
    heldOutSamples: heldOut?.length ?? 0,
    rewards: rewardNames(config.rewards, truth),
    ...(trial && { secondsPerStep: await trialSeconds(kind, config) }),
  });
  terminal.result({ plan, config }, planText(plan));
}

function means(report: EvaluationReport | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(report?.totals ?? {}).map(([name, { mean }]) => [name, mean]));
}

/** An argument as a shell takes it. */
function quoted(argument: string): string {
  return /^[\w./:=,@%+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
