import { alone, VlmR1Error, type Peers } from "@vlmr1/core";
import type { Policy, PolicyState } from "@vlmr1/policy";
import { z } from "zod";
import { ScheduleOptions } from "../optimizer/schedule.ts";
import type { RolloutGroup } from "../rollout/rollout.ts";
import { openCheckpointStore, type CheckpointStore } from "./checkpoint.ts";
import { checkGuards, defaultGuards, Guard, type GuardEvent } from "./guards.ts";
import { anyRank, askFirstRank, storeOfFirstRank } from "./ranks.ts";
import {
  initialProgress,
  type Progress,
  type RunEnding,
  type RunSummary,
  type StepReport,
  type StepSeconds,
} from "./report.ts";

/** What every run has, whatever it trains on. */
export const RunOptions = z.strictObject({
  steps: z.int().min(1).default(300).describe("Steps of the run; one step is one batch of prompts."),
  seed: z.int().default(0).describe("Everything random follows from it: the same seed, the same run."),
  learningRate: z.number().min(0).default(1e-6).describe("Peak learning rate."),
  schedule: ScheduleOptions.prefault({}).describe("How the learning rate moves."),
  maxGradientNorm: z
    .number()
    .min(0)
    .default(1)
    .describe("Gradients with a larger global norm are scaled down to it; 0 never clips."),
  guards: z
    .array(Guard)
    .prefault([...defaultGuards])
    .describe("Rules that warn, roll back, or stop."),
  rollbackRate: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe(
      "The learning rate is multiplied by this at every rollback, so that the same road is not taken again.",
    ),
  checkpointEvery: z
    .int()
    .min(0)
    .default(50)
    .describe("Steps between checkpoints; 0 writes only at the end."),
  keepCheckpoints: z.int().min(1).default(2).describe("Newest checkpoints to keep, beside the best one."),
  bestMetric: z
    .string()
    .optional()
    .describe(
      "The metric whose largest value marks the best checkpoint, such as reward/mean; absent: none is best.",
    ),
  evaluateEvery: z.int().min(0).default(0).describe("Steps between evaluations; 0 never evaluates."),
  earlyStop: z
    .strictObject({
      metric: z
        .string()
        .optional()
        .describe(
          "The metric to watch; larger is better; absent: the first number of the evaluation, or without one reward/mean, in fine-tuning policy/token-probability.",
        ),
      patience: z
        .int()
        .min(1)
        .default(5)
        .describe("Measurements without improvement after which the run ends."),
      minimum: z.number().min(0).default(0).describe("What counts as an improvement."),
      target: z.number().optional().describe("The run ends as soon as the metric reaches this."),
    })
    .optional()
    .describe("When to end before `steps`; absent: never."),
});
export type RunOptions = z.output<typeof RunOptions>;

/** What one step of any kind of training hands to the loop around it. */
export interface StepOutcome<Target = unknown> {
  readonly updates: readonly { readonly applied: boolean; readonly problem?: string }[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly groups: readonly RolloutGroup<Target>[];
  readonly seconds: Omit<StepSeconds, "evaluate" | "checkpoint" | "total">;
}

/** What a run needs beside its steps. */
export interface RunSettings {
  readonly policy: Policy;
  readonly config: RunOptions;
  /** Measures the policy; every `evaluateEvery` steps. Its numbers are reported as `eval/<name>`. */
  readonly evaluate?: (context: { readonly step: number }) => Promise<Readonly<Record<string, number>>>;
  /** Where checkpoints go; absent: nothing is written. */
  readonly directory?: string;
  /** Continue from the newest checkpoint in `directory`, if there is one. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  /**
   * The processes that train together; absent: this one alone. Rank 0 reads and writes the folder. Any number of ranks resumes any
   * checkpoint. `evaluate` is called on every rank, and rank 0's numbers count. A caller that breaks its loop must do so on every rank.
   */
  readonly peers?: Peers;
}

/** Updates dropped in a row after which a run stops. */
const dropLimit = 3;

interface Loop extends RunSettings {
  readonly peers: Peers;
  readonly store?: CheckpointStore;
  readonly progress: Progress;
  /** The state that a rollback returns to, when there is no folder to read it from. */
  good: { readonly state: PolicyState; readonly updates: number } | undefined;
  isSaved: boolean;
}

/**
 * The loop around the steps of GRPO and of supervised fine-tuning: resume, guards, evaluation, early stop, checkpoints, reports.
 *
 * Ends by returning a {@link RunSummary}. `break` in the caller's loop ends it too; what is not saved yet is saved then.
 * @throws VlmR1Error `diverged` after three dropped updates in a row.
 */
export async function* runSteps<Target>(
  settings: RunSettings,
  perform: (progress: Progress) => Promise<StepOutcome<Target>>,
): AsyncGenerator<StepReport<Target>, RunSummary, void> {
  const { config, signal } = settings;
  const { loop, notes } = await begin(settings);
  const { progress, peers } = loop;
  let isWhole = true; // the weights are those of a finished step
  let isFailing = false;
  try {
    while (progress.step < config.steps) {
      if (await anyRank(peers, signal?.aborted ?? false)) return summary(progress, "aborted");
      const begun = performance.now();
      const before = { ...progress };
      let outcome: StepOutcome<Target>;
      try {
        outcome = await perform(progress);
      } catch (cause) {
        isWhole = progress.scheduled === before.scheduled;
        Object.assign(progress, before);
        // With several ranks the signal may have reached another one.
        const isAborted = VlmR1Error.is(cause, "aborted") && (signal?.aborted || peers.size > 1);
        if (isWhole && isAborted) return summary(progress, "aborted");
        throw cause;
      }
      progress.step++;
      loop.isSaved = false;
      const report = await finishStep(loop, outcome, notes.splice(0), begun);
      yield report;
      if (report.ending) return summary(progress, report.ending);
    }
    return summary(progress, "finished");
  } catch (cause) {
    isFailing = true;
    throw cause;
  } finally {
    if (isWhole && !loop.isSaved && loop.store) {
      const saving = loop.store.save(await checkpointOf(loop, {}, true));
      await (isFailing ? saving.catch(() => undefined) : saving); // the first error is the one to hear about
    }
  }
}

async function begin(settings: RunSettings): Promise<{ loop: Loop; notes: string[] }> {
  const { directory, config, policy, peers = alone } = settings;
  const store =
    directory === undefined
      ? undefined
      : storeOfFirstRank(openCheckpointStore(directory, config.keepCheckpoints), peers);
  const found = settings.resume && store ? await store.latest() : { notes: [] as string[] };
  const notes = [...found.notes];
  const progress = { ...initialProgress(), ...found.checkpoint?.progress };
  if (found.checkpoint) {
    await policy.restore(found.checkpoint.state);
    const changed = changedKeys(found.checkpoint.config, config);
    notes.push(`Resumed after step ${progress.step} from ${found.path}.`);
    if (changed.length > 0)
      notes.push(`Configuration differs from the checkpoint's in: ${changed.join(", ")}.`);
  }
  const rollsBack = config.guards.some(({ action }) => action === "rollback");
  const good =
    rollsBack && !store ? { state: await policy.snapshot(), updates: progress.updates } : undefined;
  const loop: Loop = { ...settings, peers, ...(store && { store }), progress, good, isSaved: true };
  if (rollsBack && store && !found.checkpoint) await store.save(await checkpointOf(loop, {}, true));
  return { loop, notes };
}

async function finishStep<Target>(
  loop: Loop,
  outcome: StepOutcome<Target>,
  earlier: readonly string[],
  begun: number,
): Promise<StepReport<Target>> {
  const { progress, config } = loop;
  const notes = [...earlier, ...countDropped(loop, outcome)];
  const evaluating = performance.now();
  const evaluation = await evaluateWhenDue(loop);
  const saving = performance.now();
  const metrics = { ...outcome.metrics, ...evaluation };
  const { events, memory } = checkGuards(config.guards, metrics, progress.guards);
  progress.guards = memory;
  if (events.some(({ action }) => action === "rollback")) notes.push(await rollBack(loop));
  const isBest = noteBest(loop, metrics);
  const ending = endingOf(loop, metrics, events);
  const saved = await saveWhenDue(loop, metrics, { events, isBest, ending });
  if (saved.note) notes.push(saved.note);
  const end = performance.now();
  return {
    step: progress.step,
    steps: config.steps,
    metrics,
    seconds: {
      ...outcome.seconds,
      evaluate: (saving - evaluating) / 1000,
      checkpoint: (end - saving) / 1000,
      total: (end - begun) / 1000,
    },
    guards: events,
    notes,
    groups: outcome.groups,
    ...(saved.path !== undefined && { checkpoint: saved.path }),
    ...(ending && { ending }),
  };
}

/** Sentences about dropped updates; throws at the third in a row. */
function countDropped({ progress }: Loop, { updates }: Pick<StepOutcome, "updates">): string[] {
  const notes: string[] = [];
  for (const { applied, problem } of updates) {
    progress.dropped = applied ? 0 : progress.dropped + 1;
    if (applied) continue;
    notes.push(`An update of step ${progress.step} was dropped: ${problem}. The weights did not change.`);
    if (progress.dropped >= dropLimit) {
      throw new VlmR1Error(
        "diverged",
        `${dropLimit} updates in a row were dropped, the last because ${problem}. The weights are those before the first of ` +
          "them. Lower learningRate or maxGradientNorm, raise beta, or look at the answers of the last steps.",
      );
    }
  }
  return notes;
}

async function evaluateWhenDue({ evaluate, config, progress, peers }: Loop): Promise<Record<string, number>> {
  const isDue = config.evaluateEvery > 0 && progress.step % config.evaluateEvery === 0;
  const isLast = config.evaluateEvery > 0 && progress.step === config.steps;
  if (!evaluate || !(isDue || isLast)) return {};
  const own = await evaluate({ step: progress.step });
  const numbers = await askFirstRank(peers, async () => own);
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [`eval/${name}`, value]));
}

async function rollBack(loop: Loop): Promise<string> {
  const { progress, policy, store, config } = loop;
  const checkpoint = await store?.latestGood();
  const good = checkpoint ? { state: checkpoint.state, updates: checkpoint.progress.updates } : loop.good;
  if (!good) return "There is no good state to roll back to yet: the run goes on as it is.";
  await policy.restore(good.state);
  progress.updates = good.updates;
  progress.rollbacks++;
  progress.rateFactor *= config.rollbackRate;
  const where = checkpoint ? `of step ${checkpoint.progress.step}` : "in memory";
  return `Rolled back to the last good state ${where}; the learning rate is now ${progress.rateFactor} of the configured one.`;
}

function noteBest({ progress, config }: Loop, metrics: Readonly<Record<string, number>>): boolean {
  const value = config.bestMetric === undefined ? undefined : metrics[config.bestMetric];
  if (value === undefined || (progress.best && value <= progress.best.value)) return false;
  progress.best = { value, step: progress.step };
  return true;
}

/** The value that early stop watches, if this step has it. An evaluation's first number is its headline. */
function watchedValue(
  { config, evaluate }: Loop,
  metrics: Readonly<Record<string, number>>,
): number | undefined {
  if (config.earlyStop?.metric !== undefined) return metrics[config.earlyStop.metric];
  if (!evaluate || config.evaluateEvery === 0)
    return metrics["reward/mean"] ?? metrics["policy/token-probability"];
  const headline = Object.keys(metrics).find((name) => name.startsWith("eval/"));
  return headline === undefined ? undefined : metrics[headline];
}

function endingOf(
  loop: Loop,
  metrics: Readonly<Record<string, number>>,
  events: readonly GuardEvent[],
): RunEnding | undefined {
  const { progress, config } = loop;
  if (events.some(({ action }) => action === "stop")) return "guard";
  const { earlyStop } = config;
  const value = watchedValue(loop, metrics);
  if (earlyStop && value !== undefined) {
    const { best, waited } = progress.watched;
    const isBetter = best === null || value > best + earlyStop.minimum;
    progress.watched = isBetter ? { best: value, waited: 0 } : { best, waited: waited + 1 };
    const isReached = earlyStop.target !== undefined && value >= earlyStop.target;
    if (isReached || progress.watched.waited >= earlyStop.patience) return "early-stop";
  }
  return progress.step >= config.steps ? "finished" : undefined;
}

async function saveWhenDue(
  loop: Loop,
  metrics: Readonly<Record<string, number>>,
  {
    events,
    isBest,
    ending,
  }: { events: readonly GuardEvent[]; isBest: boolean; ending: RunEnding | undefined },
): Promise<{ path?: string; note?: string }> {
  const { progress, config, store, policy } = loop;
  const isPeriodic = config.checkpointEvery > 0 && progress.step % config.checkpointEvery === 0;
  const isGood = events.every(({ action }) => action === "warn");
  if (isPeriodic && isGood && loop.good)
    loop.good = { state: await policy.snapshot(), updates: progress.updates };
  if (!store || !(isPeriodic || isBest || ending)) return {};
  const checkpoint = await checkpointOf(loop, metrics, isGood);
  try {
    const path = await store.save(checkpoint);
    loop.isSaved = true;
    return { path };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (ending)
      throw new VlmR1Error("unavailable", `The last checkpoint could not be written: ${reason}`, { cause });
    return {
      note: `The checkpoint of step ${progress.step} could not be written (${reason}); earlier ones stand.`,
    };
  }
}

async function checkpointOf(
  { policy, progress, config }: Loop,
  metrics: Readonly<Record<string, number>>,
  isGood: boolean,
) {
  return { state: await policy.snapshot(), progress, metrics, config, isGood };
}

function changedKeys(before: unknown, now: RunOptions): string[] {
  if (typeof before !== "object" || before === null) return [];
  const old = before as Record<string, unknown>;
  const current = JSON.parse(JSON.stringify(now)) as Record<string, unknown>;
  const keys = new Set([...Object.keys(old), ...Object.keys(current)]);
  return [...keys].filter((key) => JSON.stringify(old[key]) !== JSON.stringify(current[key]));
}

function summary({ step, rollbacks, best }: Progress, ending: RunEnding): RunSummary {
  return { ending, step, ...(rollbacks > 0 && { rollbacks }), ...(best && { best }) };
}
