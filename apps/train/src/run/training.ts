import { createRng, VlmR1Error, type Dataset, type FrameOf, type RewardFunction } from "@vlmr1/core";
import { evaluate, type EvaluationReport } from "@vlmr1/eval";
import type { Policy, RunSummary, StepReport } from "@vlmr1/grpo";
import type { RunEvent, RunSink } from "./events.ts";
import { evaluationEvent, rolloutEvent } from "./records.ts";

/** A run of training with everything around it: evaluation before and after, records of what happened, clean interruption. */
export interface TrainingRun<Target> {
  readonly title: string;
  /** The command that repeats the run. */
  readonly command: string;
  readonly config: unknown;
  /** What a reader of the report wants to know first, by name. */
  readonly facts: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly policy: Policy;
  /** The frame in which the model writes boxes. */
  readonly frame: FrameOf;
  /** The steps: `train` or `finetune` of @vlmr1/grpo. */
  readonly steps: AsyncGenerator<StepReport<Target>, RunSummary, void>;
  readonly total: number;
  readonly heldOut?: HeldOut<Target>;
  readonly sinks: readonly RunSink[];
  readonly signal?: AbortSignal;
  /** Whether the weights are those of the start, so that they can be measured before the first step. Default true. */
  readonly isStart?: boolean;
  /** Steps whose numbers were lost when an earlier process was killed between its checkpoint and its records. */
  readonly lost?: readonly Pick<StepReport, "step" | "metrics">[];
}

/** What the policy is measured on. */
export interface HeldOut<Target> {
  readonly dataset: Dataset<Target>;
  /** Rewards by name; the first is the headline, the last ranks examples in the report. */
  readonly metrics: Readonly<Record<string, RewardFunction<Target>>>;
  readonly maxNewTokens: number;
  readonly batchSize: number;
  /** Default 0: greedy. */
  readonly temperature?: number;
  /** Answers to each sample. Default 1. */
  readonly completions?: number;
  /** Default `throw`. */
  readonly onBadSample?: "throw" | "skip";
}

/** How a run went. Evaluations are absent when nothing was held out. */
export interface TrainingOutcome {
  readonly before?: EvaluationReport;
  readonly after?: EvaluationReport;
  readonly summary: RunSummary;
  readonly seconds: number;
}

/** Held-out samples of an evaluation that are kept with pictures. */
const shownSamples = 64;

/**
 * Performs a run and tells its sinks what happens. An interruption is not an error here: the outcome says so, the checkpoint is written.
 *
 * @throws whatever the steps throw, after the sinks have heard that the run failed.
 */
export async function runTraining<Target>(run: TrainingRun<Target>): Promise<TrainingOutcome> {
  const begun = performance.now();
  const seconds = (): number => (performance.now() - begun) / 1000;
  const tell = async (event: RunEvent): Promise<void> => {
    for (const sink of run.sinks) await sink.write(event);
  };
  const { title, command, config, facts, total } = run;
  let step = 0;
  try {
    await tell({ kind: "start", title, command, config, facts, steps: total });
    for (const { step: earlier, metrics } of run.lost ?? [])
      await tell({ kind: "step", step: earlier, steps: total, seconds: 0, metrics });
    const before = run.isStart === false ? undefined : await measure(run, "before", 0, tell);
    const trainingBegun = performance.now();
    let ended = await run.steps.next();
    while (ended.done !== true) {
      step = ended.value.step;
      await tellStep(run, ended.value, (performance.now() - trainingBegun) / 1000, tell);
      ended = await run.steps.next();
    }
    const summary = ended.value;
    const interrupted = summary.ending === "aborted";
    const after = interrupted ? undefined : await measure(run, "after", summary.step, tell);
    await tell({
      kind: "end",
      step: summary.step,
      seconds: seconds(),
      outcome: interrupted ? "interrupted" : "done",
    });
    return { ...(before && { before }), ...(after && { after }), summary, seconds: seconds() };
  } catch (cause) {
    const interrupted = VlmR1Error.is(cause, "aborted");
    await tell({ kind: "end", step, seconds: seconds(), outcome: interrupted ? "interrupted" : "failed" });
    if (interrupted) return { summary: { ending: "aborted", step }, seconds: seconds() };
    throw cause;
  }
}

async function tellStep<Target>(
  { total, frame }: TrainingRun<Target>,
  report: StepReport<Target>,
  seconds: number,
  tell: (event: RunEvent) => Promise<void>,
): Promise<void> {
  const { step, metrics } = report;
  const spent = Object.fromEntries(
    Object.entries(report.seconds).map(([name, value]: [string, number]) => [`seconds/${name}`, value]),
  );
  await tell({ kind: "step", step, steps: total, seconds, metrics: { ...metrics, ...spent } });
  for (const { message } of report.guards)
    await tell({ kind: "notice", step, level: "warning", text: message });
  for (const text of report.notes) await tell({ kind: "notice", step, level: "info", text });
  if (report.groups.length > 0) await tell(await rolloutEvent(step, report.groups, frame));
}

async function measure<Target>(
  run: TrainingRun<Target>,
  name: string,
  step: number,
  tell: (event: RunEvent) => Promise<void>,
): Promise<EvaluationReport | undefined> {
  const { heldOut, policy, frame, seed, signal } = run;
  if (!heldOut) return undefined;
  const { dataset, metrics } = heldOut;
  const report = await evaluate({
    ...heldOut,
    model: policy,
    rng: createRng(seed).fork("evaluation"),
    ...(signal && { signal }),
  });
  for (const { index, problem } of report.leftOut)
    await tell({
      kind: "notice",
      step,
      level: "warning",
      text: `Held-out sample ${index} is left out: ${problem}`,
    });
  const shown = Object.keys(metrics).at(-1) as string;
  await tell(await evaluationEvent(report, { name, step, dataset, frame, shown, examples: shownSamples }));
  return report;
}
