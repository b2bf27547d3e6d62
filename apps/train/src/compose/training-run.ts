import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRng, VlmR1Error, type Dataset, type FrameOf, type RewardFunction } from "@vlmr1/core";
import { evaluate } from "@vlmr1/eval";
import {
  createRemoteSampler,
  finetune,
  train,
  type Policy,
  type RunSummary,
  type StepReport,
} from "@vlmr1/grpo";
import { createPolicy, type Model } from "@vlmr1/model";
import { audit } from "@vlmr1/rewards";
import type { RunConfig } from "../config/run-config.ts";
import { withAnswers } from "../datasets/answers-to-imitate.ts";
import { evaluationMetrics, rewardNames, trainingScore } from "../datasets/default-rules.ts";
import { modelFrame } from "../model/model-frame.ts";
import { reportPage } from "../page/report-page.ts";
import type { RunSink } from "../run/events.ts";
import { readRun } from "../run/run-folder.ts";
import { runTraining, type HeldOut, type TrainingOutcome } from "../training/run-training.ts";
import { chosenLoss } from "./chosen-loss.ts";
import { chosenOptimizer } from "./chosen-optimizer.ts";
import { loraOptions } from "./model-size.ts";
import { withRunModel } from "./open-run-model.ts";
import { openRunData, type RunData } from "./run-data.ts";

/** A run of `vlmr1 grpo` or `vlmr1 sft`, with everything decided. */
export interface ConfiguredRun {
  readonly kind: "grpo" | "sft";
  readonly config: RunConfig;
  readonly directory: string;
  readonly resume: boolean;
  readonly command: string;
  readonly sinks: readonly RunSink[];
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** How it went, and what it left behind. */
export interface ConfiguredOutcome extends TrainingOutcome {
  readonly report: string;
  readonly model: string;
}

/** Loads model and data, trains, and leaves checkpoints, the model and report.html in the run folder. */
export async function performRun(run: ConfiguredRun): Promise<ConfiguredOutcome> {
  const { config, directory, say } = run;
  say(`Loading ${config.model}`);
  return withRunModel(config, async (model) => {
    const frame = modelFrame(model, config.frame);
    const data = await openRunData(config, frame);
    const policy = await openPolicy(model, config);
    const measured = await heldOutOf(config, data, frame);
    const steps = await stepsOf(run, policy, data, { frame, measured });
    const total = config[run.kind].steps;
    const outcome = await runTraining({
      title: `${config.model} learns by ${run.kind === "grpo" ? "rewards" : "imitation"}`,
      command: run.command,
      config,
      facts: facts(run, model, data),
      seed: config.seed,
      policy,
      frame,
      steps,
      total,
      ...(measured && { heldOut: measured }),
      sinks: run.sinks,
      signal: run.signal,
      resumed: run.resume,
    });
    const saved = join(directory, "model");
    await policy.save(saved);
    const report = join(directory, "report.html");
    writeFileSync(report, reportPage(readRun(directory)));
    return { ...outcome, report, model: saved };
  });
}

/** The policy that a configuration trains. */
export function openPolicy(model: Model, config: RunConfig): Promise<Policy> {
  const { train: part, lora, seed, checkpointLayers, lossOptions } = config;
  const known = ["all", "language", "lora"] as const;
  const named = known.find((name) => name === part);
  return createPolicy(model, {
    train: named ?? part.split(","),
    lora: loraOptions(lora),
    rng: createRng(seed).fork("adapter"),
    checkpoint: checkpointLayers,
    keepReference: lossOptions.beta !== 0 || config.grpo.measureKlEvery > 0,
  });
}

/** The steps of the run: reinforcement learning or imitation. */
async function stepsOf(
  run: ConfiguredRun,
  policy: Policy,
  data: RunData,
  { frame, measured }: { readonly frame: FrameOf; readonly measured: HeldOut<unknown> | undefined },
): Promise<AsyncGenerator<StepReport, RunSummary, void>> {
  const { config, directory, resume, signal } = run;
  const optimizer = chosenOptimizer(config);
  const shared = {
    policy,
    optimizer,
    directory: join(directory, "checkpoints"),
    resume,
    signal,
    ...(measured && { evaluate: measurement(policy, measured, config) }),
  };
  if (run.kind === "sft") {
    const dataset = withAnswers(data.train, frame, config.answerTemplate);
    return finetune({ ...shared, dataset, config: { ...config.sft, seed: config.seed } });
  }
  const names = rewardNames(config.rewards, data.truth);
  const score = await trainingScore(names, data.truth, { frame });
  if (!resume) await tellAudit(run, data.train, score, frame);
  return train({
    ...shared,
    dataset: data.train,
    score,
    loss: chosenLoss(config),
    config: { ...config.grpo, seed: config.seed },
    ...(config.sampler && { sampler: remoteSampler(config.sampler) }),
  });
}

function remoteSampler({ apiKeyEnv, ...options }: NonNullable<RunConfig["sampler"]>) {
  const apiKey = apiKeyEnv === undefined ? undefined : process.env[apiKeyEnv];
  if (apiKeyEnv !== undefined && apiKey === undefined)
    throw new VlmR1Error(
      "invalid-argument",
      `The environment variable ${apiKeyEnv} (sampler.apiKeyEnv) is not set.`,
    );
  return createRemoteSampler({ ...options, ...(apiKey !== undefined && { apiKey }) });
}

async function heldOutOf(
  config: RunConfig,
  data: RunData,
  frame: FrameOf,
): Promise<HeldOut<unknown> | undefined> {
  if (!data.heldOut) return undefined;
  const { metrics, batchSize, maxNewTokens } = config.evaluation;
  return {
    dataset: data.heldOut,
    metrics: await evaluationMetrics(metrics, data.truth, { frame }),
    maxNewTokens: maxNewTokens ?? config.grpo.maxNewTokens,
    batchSize,
  };
}

/** The evaluation inside a run, as plain numbers. */
function measurement(policy: Policy, heldOut: HeldOut<unknown>, { seed }: RunConfig) {
  return async (): Promise<Readonly<Record<string, number>>> => {
    const { totals } = await evaluate({
      model: policy,
      dataset: heldOut.dataset,
      metrics: heldOut.metrics as Readonly<Record<string, RewardFunction>>,
      rng: createRng(seed).fork("evaluation"),
      batchSize: heldOut.batchSize,
      maxNewTokens: heldOut.maxNewTokens,
    });
    return Object.fromEntries(Object.entries(totals).map(([name, { mean }]) => [name, mean]));
  };
}

/** Samples that the rewards are audited on. */
const audited = 16;

/** Tries known exploits on the run's own rewards and data, for the report. */
async function tellAudit(
  { sinks }: ConfiguredRun,
  dataset: Dataset,
  score: Awaited<ReturnType<typeof trainingScore>>,
  frame: FrameOf,
): Promise<void> {
  const count = Math.min(audited, dataset.length);
  const samples = await Promise.all(Array.from({ length: count }, (_, index) => dataset.get(index)));
  const exploits = await audit(score, { samples, frame });
  const rows = exploits.map(({ exploit, description, earned, honest, beatsHonest }) => ({
    exploit,
    "what it writes": description,
    earns: earned,
    "an honest answer earns": honest,
    pays: beatsHonest,
  }));
  for (const sink of sinks) await sink.write({ kind: "audit", rows });
}

function facts(
  { kind, config, directory }: ConfiguredRun,
  model: Model,
  data: RunData,
): Record<string, string> {
  const { device, runtime, threads } = model.engine.describe();
  const { grpo, sft } = config;
  return {
    Model: config.adapter === undefined ? config.model : `${config.model} with ${config.adapter}`,
    Data: `${config.dataset} ${config.data ?? ""}: ${data.train.length} samples, ${data.heldOut?.length ?? 0} held out`,
    ...(kind === "grpo" && { Rewards: rewardNames(config.rewards, data.truth).join(" + ") }),
    Training:
      kind === "grpo"
        ? `${config.loss}, ${grpo.steps} steps of ${grpo.promptsPerStep} prompts with ${grpo.groupSize} answers each; trains ${config.train}`
        : `imitation, ${sft.steps} steps of ${sft.batchSize} samples; trains ${config.train}`,
    Device: `${device} (${runtime}), ${threads} threads`,
    Folder: directory,
  };
}
