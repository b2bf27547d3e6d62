import { basename, join } from "node:path";
import { createRng, type FrameOf, type RewardFunction, type ScoreFunction } from "@vlmr1/core";
import { evaluate } from "@vlmr1/eval";
import {
  createRemoteSampler,
  finetune,
  openCheckpointStore,
  train,
  type Policy,
  type RunSummary,
  type StepReport,
} from "@vlmr1/grpo";
import { createPolicy, type Model } from "@vlmr1/model";
import type { RunConfig } from "../config/run-config.ts";
import { openRunData, type RunData } from "../datasets/run-data.ts";
import { withAnswers } from "../datasets/prompts.ts";
import { compilationText } from "../model/device.ts";
import { modelFrame, withModel } from "../model/open-model.ts";
import { madeBy } from "../program.ts";
import type { RunPlan } from "../plan/decide.ts";
import { loraOptions } from "../plan/estimate.ts";
import { environmentKey } from "../rewards/named-rewards.ts";
import type { RunSink } from "./events.ts";
import { hasEvaluation, loggedSteps, writePages } from "./folder.ts";
import { auditEvent } from "./records.ts";
import { runTraining, type HeldOut, type TrainingOutcome } from "./training.ts";

/** A plan on its way: where it leaves its files, and who follows it. */
export interface PlannedRun {
  readonly plan: RunPlan;
  readonly directory: string;
  readonly resume: boolean;
  /** The command that repeats the run. */
  readonly command: string;
  readonly sinks: readonly RunSink[];
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** How it went, and what it left behind. */
export interface RunOutcome extends TrainingOutcome {
  readonly report: string;
  readonly model: string;
}

/** What a plan needs of the world: the model, the data in the model's frame, the rewards that read it, the policy that learns. */
interface Opened {
  readonly model: Model;
  readonly frame: FrameOf;
  readonly data: RunData;
  readonly policy: Policy;
  readonly heldOut: HeldOut<unknown> | undefined;
}

/** Loads model and data, trains, and leaves checkpoints, the model and report.html in the run folder. */
export async function performRun(run: PlannedRun): Promise<RunOutcome> {
  const { plan, directory, say } = run;
  const { config, kind } = plan;
  say(`Loading ${config.model}`);
  return withOpened(plan, say, async (opened) => {
    const { policy, frame, heldOut } = opened;
    const outcome = await runTraining({
      title:
        config.title ??
        `${basename(config.model)} learns ${kind === "grpo" ? "from rewards" : "by imitation"} on ${config.dataset}`,
      command: run.command,
      config,
      facts: facts(run, opened),
      seed: config.seed,
      policy,
      frame,
      steps: await stepsOf(run, opened),
      total: config[kind].steps,
      ...(heldOut && { heldOut }),
      sinks: run.sinks,
      signal: run.signal,
      ...(run.resume && (await recovered(directory))),
    });
    const saved = join(directory, "model");
    await policy.save(saved);
    say(compilationText(opened.model.engine));
    return { ...outcome, report: writePages(directory).report, model: saved };
  });
}

/** What a resumed run still owes its records: the measurement before the first step, and the numbers of a step that was saved. */
async function recovered(directory: string) {
  const saved = await openCheckpointStore(join(directory, "checkpoints"), 1).newestManifest();
  const step = saved?.progress.step ?? 0;
  const isLost = saved !== undefined && step > 0 && !loggedSteps(directory).has(step);
  return {
    isStart: step === 0 && !hasEvaluation(directory, "before"),
    lost: isLost ? [{ step, metrics: saved.metrics }] : [],
  };
}

/** The first step compiles; the second tells how long a step takes. */
const trialSteps = 2;

/** Seconds of one step, measured: the model is loaded, two steps are made and forgotten. */
export async function trialSeconds(plan: RunPlan): Promise<number> {
  return withOpened(plan, undefined, async (opened) => {
    const short = { steps: trialSteps, checkpointEvery: 0, evaluateEvery: 0 };
    const score = plan.kind === "grpo" ? await plan.score({ frame: opened.frame }) : undefined;
    let seconds = Number.NaN;
    for await (const report of learn(plan, opened, { score, short })) seconds = report.seconds.total;
    return seconds;
  });
}

async function withOpened<Result>(
  plan: RunPlan,
  notice: ((text: string) => void) | undefined,
  work: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const { config } = plan;
  return withModel({ ...config, precision: config.basePrecision }, async (model) => {
    const frame = modelFrame(model, config.frame);
    const data = await openRunData(config, { model, frame, notice });
    const policy = await openPolicy(model, plan);
    return work({ model, frame, data, policy, heldOut: await heldOutOf(plan, data, frame) });
  });
}

/** The policy that a plan trains. */
function openPolicy(model: Model, { kind, config, loss }: RunPlan): Promise<Policy> {
  const { train: part, lora, seed, gradientCheckpointing, rolloutPrecision, grpo } = config;
  const known = ["all", "language", "lora"] as const;
  const named = known.find((name) => name === part);
  return createPolicy(model, {
    train: named ?? part.split(","),
    lora: loraOptions(lora),
    rng: createRng(seed).fork("adapter"),
    gradientCheckpointing,
    ...(rolloutPrecision !== undefined && { rolloutPrecision }),
    keepReference: kind === "grpo" && (loss.needs.reference || grpo.measureKlEvery > 0),
  });
}

/** The steps of a run, with checkpoints, evaluation inside it and, before the first step, the audit of its rewards. */
async function stepsOf(run: PlannedRun, opened: Opened): Promise<Steps> {
  const { plan, directory, resume, signal } = run;
  const { policy, heldOut, data, frame } = opened;
  const around = {
    directory: join(directory, "checkpoints"),
    resume,
    signal,
    ...(heldOut && { evaluate: measurement(policy, heldOut, plan.config) }),
  };
  if (plan.kind === "sft") return learn(plan, opened, { around });
  const score = await plan.score({ frame });
  if (!resume) {
    const event = await auditEvent(score, data.train, frame);
    for (const sink of run.sinks) await sink.write(event);
  }
  return learn(plan, opened, { score, around });
}

type Steps = AsyncGenerator<StepReport, RunSummary, void>;

/** Reinforcement learning or imitation, step by step. */
function learn(
  { kind, config, optimizer, loss, promptWeight }: RunPlan,
  { policy, data, frame }: Opened,
  extra: {
    readonly score?: ScoreFunction | undefined;
    /** Options of the trainer beside its configuration. */
    readonly around?: Partial<Parameters<typeof train>[0]>;
    /** What replaces parts of the configuration. */
    readonly short?: {
      readonly steps: number;
      readonly checkpointEvery: number;
      readonly evaluateEvery: number;
    };
  },
): Steps {
  const shared = { policy, optimizer, ...extra.around };
  const { seed, sampler, answerTemplate } = config;
  if (kind === "sft" || !extra.score) {
    const dataset = withAnswers(data.train, frame, answerTemplate);
    return finetune({ ...shared, dataset, config: { ...config.sft, ...extra.short, seed } });
  }
  return train({
    ...shared,
    dataset: data.train,
    score: extra.score,
    loss,
    config: { ...config.grpo, ...extra.short, seed },
    ...(promptWeight && { promptWeight: promptWeight(data.train.length) }),
    ...(sampler && { sampler: remoteSampler(sampler) }),
  });
}

function remoteSampler({ apiKeyEnv, ...options }: NonNullable<RunConfig["sampler"]>) {
  const apiKey = apiKeyEnv === undefined ? undefined : environmentKey(apiKeyEnv, "sampler.apiKeyEnv");
  return createRemoteSampler({ ...options, ...(apiKey !== undefined && { apiKey }) });
}

async function heldOutOf(
  { config, metrics }: RunPlan,
  data: RunData,
  frame: FrameOf,
): Promise<HeldOut<unknown> | undefined> {
  if (!data.heldOut) return undefined;
  const { batchSize, maxNewTokens = config.grpo.maxNewTokens, temperature, completions } = config.evaluation;
  return {
    dataset: data.heldOut,
    metrics: await metrics({ frame }),
    maxNewTokens,
    batchSize,
    temperature,
    completions,
    onBadSample: config.onBadSample,
  };
}

/** The evaluation inside a run, as plain numbers. */
function measurement(policy: Policy, heldOut: HeldOut<unknown>, { seed }: RunConfig) {
  return async (): Promise<Readonly<Record<string, number>>> => {
    const { totals } = await evaluate({
      ...heldOut,
      model: policy,
      metrics: heldOut.metrics as Readonly<Record<string, RewardFunction>>,
      rng: createRng(seed).fork("evaluation"),
    });
    return Object.fromEntries(Object.entries(totals).map(([name, { mean }]) => [name, mean]));
  };
}

function facts({ plan, directory }: PlannedRun, { model, data }: Opened): Record<string, string> {
  const { kind, config } = plan;
  const { device, runtime, threads } = model.engine.describe();
  const { grpo, sft } = config;
  return {
    Model: config.adapter === undefined ? config.model : `${config.model} with ${config.adapter}`,
    Data: `${[config.dataset, config.data].filter(Boolean).join(" ")}: ${data.train.length} samples, ${data.heldOut?.length ?? 0} held out`,
    ...(kind === "grpo" && { Rewards: plan.rewards.join(" + ") }),
    Training:
      kind === "grpo"
        ? `${config.loss}, ${grpo.steps} steps of ${grpo.promptsPerStep} prompts with ${grpo.groupSize} completions each; trains ${config.train}`
        : `imitation, ${sft.steps} steps of ${sft.batchSize} samples; trains ${config.train}`,
    Device: `${device}, ${threads} threads${config.dtype === "float32" ? "" : `, frozen weights in ${config.dtype}`}`,
    Software: madeBy(runtime),
    Folder: directory,
  };
}
