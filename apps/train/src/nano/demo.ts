import { thousand, type Dataset } from "@vlmr1/core";
import { map, refCoco, writeScenes, type RefCocoTarget } from "@vlmr1/data";
import { openEngine, type Engine } from "@vlmr1/engine";
import { grpoLoss, train, type Policy, type TrainOptions, finetune } from "@vlmr1/grpo";
import { createPolicy, loadModel, type Model, createModel, nano } from "@vlmr1/model";
import { join, relative } from "node:path";
import { modelFolder } from "../model/open-model.ts";
import { madeBy } from "../program.ts";
import type { RunSink } from "../run/events.ts";
import { writePages } from "../run/folder.ts";
import { auditEvent } from "../run/records.ts";
import { runTraining, type TrainingOutcome } from "../run/training.ts";
import { pretrainVision } from "./pretrain-vision.ts";
import {
  grpoConfig,
  maxNewTokens,
  nanoMetrics,
  nanoOptimizer,
  nanoScore,
  nanoScenes,
  nanoStreams,
  looseAnswers,
  warmConfig,
  warmScenes,
} from "./recipe.ts";

/** What a person may choose about the demo. */
export interface DemoOptions {
  readonly seed: number;
  /** Steps of reinforcement learning; absent: as many as fit into `seconds`. */
  readonly steps?: number;
  readonly seconds: number;
  readonly directory: string;
  readonly fromScratch: boolean;
  /** Scenes to write; the demo's own when absent. */
  readonly sizes?: typeof demoSizes;
  /** How far a warm start from nothing goes; the recipe's own length when absent. */
  readonly warmSteps?: { readonly vision: number; readonly answers: number };
  readonly threads?: number;
  readonly signal: AbortSignal;
  readonly sinks: readonly RunSink[];
  readonly command: string;
  /** Called with one sentence before everything that takes more than a moment. */
  readonly say: (text: string) => void;
}

/** How the demo went. */
export interface DemoOutcome extends TrainingOutcome {
  readonly report: string;
  readonly model: string;
}

/** Draws scenes, loads a `nano` that has begun to point, and lets it learn from rules alone. */
export async function runDemo(options: DemoOptions): Promise<DemoOutcome> {
  const { seed, directory, say, signal } = options;
  const engine = await openEngine(options.threads === undefined ? {} : { threads: options.threads });
  try {
    const { sizes = demoSizes } = options;
    say(`Drawing ${sizes.train + sizes.heldOut} scenes as COCO and RefCOCO files`);
    const data = await demoData(directory, seed, sizes);
    const model = await startingModel(engine, options);
    const policy = await createPolicy(model, { train: "language" });
    const score = nanoScore(thousand);
    const optimizer = nanoOptimizer(0.99);
    const recipe = { dataset: data.train, score, optimizer, loss: grpoLoss({ beta: 0 }) };
    const steps =
      options.steps ??
      (await stepsThatFit(policy, { ...recipe, config: grpoConfig(seed, 300) }, options.seconds));
    const config = grpoConfig(seed, steps);
    const event = await auditEvent(score, data.heldOut, thousand);
    for (const sink of options.sinks) await sink.write(event);
    const outcome = await runTraining({
      title: "nano learns to point",
      command: options.command,
      config: { seed, ...config },
      facts: demoFacts(model, options, steps),
      seed,
      policy,
      frame: thousand,
      steps: train({ ...recipe, policy, config, signal }),
      total: steps,
      heldOut: { dataset: data.heldOut, metrics: nanoMetrics(thousand), maxNewTokens, batchSize: 125 },
      sinks: options.sinks,
      signal,
    });
    const trained = join(directory, "model");
    await policy.save(trained);
    await model.dispose();
    return { ...outcome, report: writePages(directory).report, model: trained };
  } finally {
    await engine.dispose();
  }
}

async function startingModel(engine: Engine, options: DemoOptions): Promise<Model> {
  const { fromScratch, say, seed, directory } = options;
  if (!fromScratch) return loadModel(modelFolder("nano"), { engine });
  say("Making the warm start: the tower learns to see, then the decoder learns to answer (some minutes)");
  const begun = performance.now();
  const { warmSteps } = options;
  const model = await warmStart({
    engine,
    seed,
    ...(warmSteps && { visionSteps: warmSteps.vision, answerSteps: warmSteps.answers }),
    onStep: (stage, step, steps, loss) => {
      if (step % 100 !== 0 && step !== steps) return;
      const seconds = Math.round((performance.now() - begun) / 1000);
      say(`  ${stage} ${step}/${steps}  loss ${loss.toFixed(3)}  ${seconds} s`);
    },
  });
  const folder = join(directory, "warm-start");
  await model.save(folder);
  say(`The warm start is in ${relative(".", folder)}`);
  return model;
}

function demoFacts(
  model: Model,
  { seed, fromScratch, sizes = demoSizes }: DemoOptions,
  steps: number,
): Record<string, string> {
  const parameters = model.parameters.specs.reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
  const { device, runtime, threads } = model.engine.describe();
  return {
    Task: "point at the object that a phrase describes, in drawn scenes",
    Model: `nano, a Qwen3-VL of ${(parameters / 1e6).toFixed(2)} million parameters, ${fromScratch ? "from nothing" : "from a warm start that imitated loosely drawn boxes"}`,
    Data: `${sizes.train} scenes to learn on, ${sizes.heldOut} held out; seed ${seed}`,
    Rewards: "1 for a box with IoU above 0.5, 0.2 for its form",
    Training: `GRPO, ${steps} steps of 16 prompts with 8 completions each, decoder only`,
    Device: `${device}, ${threads} threads`,
    Software: madeBy(runtime),
  };
}

/** The demo's data, read back from disk through the loader that reads published RefCOCO. */
export interface DemoData {
  readonly train: Dataset<RefCocoTarget>;
  readonly heldOut: Dataset<RefCocoTarget>;
  readonly root: string;
}

/** Scenes written for training and for evaluation. */
export const demoSizes = { train: 4000, heldOut: 1000 };

/** Draws scenes, writes them as COCO and RefCOCO files, and opens those. */
export async function demoData(directory: string, seed: number, sizes = demoSizes): Promise<DemoData> {
  const streams = nanoStreams(seed);
  const root = join(directory, "data");
  const drawn = {
    train: nanoScenes(streams.train, sizes.train),
    val: nanoScenes(streams.heldOut, sizes.heldOut, { name: "held-out" }),
  };
  await writeScenes(drawn, { root });
  const open = (split: string): Promise<Dataset<RefCocoTarget>> =>
    refCoco({
      root,
      dataset: "refcoco",
      split,
      question: (expression) => expression,
      template: (question) => question,
    });
  // RefCOCO has no field for the kind of an expression; the scenes know it, in the same order.
  const groups = await Promise.all(
    Array.from({ length: sizes.heldOut }, async (_, i) => (await drawn.val.get(i)).group ?? ""),
  );
  const heldOut = map(await open("val"), (sample, index) => ({ ...sample, group: groups[index] ?? "" }));
  return { train: await open("train"), heldOut, root };
}

/** Steps that are tried to see how fast this machine is; the first compiles and does not count, and the slowest tell what else ran. */
const trialSteps = 8;
const fewest = 100;
const most = 1000;

/**
 * How many steps fit into `seconds` on this machine. Tries some and takes them back: the policy is left as it was.
 */
export async function stepsThatFit<Target>(
  policy: Policy,
  options: Pick<TrainOptions<Target>, "dataset" | "score" | "optimizer" | "loss" | "config">,
  seconds: number,
): Promise<number> {
  const state = await policy.snapshot();
  const times: number[] = [];
  const config = { ...options.config, steps: trialSteps, checkpointEvery: 0 };
  for await (const report of train({ ...options, policy, config })) times.push(report.seconds.total);
  await policy.restore(state);
  const usual = times.slice(1).toSorted((a, b) => a - b)[Math.floor((trialSteps - 1) / 4)] as number;
  return Math.max(fewest, Math.min(most, Math.floor(seconds / usual / 10) * 10));
}

/** How far each stage goes. */
export interface WarmStartOptions {
  readonly engine: Engine;
  readonly seed: number;
  readonly visionSteps?: number;
  readonly answerSteps?: number;
  /** Called after each step with the stage's loss. */
  readonly onStep: (stage: "vision" | "answers", step: number, steps: number, loss: number) => void;
}

/**
 * A `nano` made from nothing: random weights, a tower that learns to see, a decoder that learns to answer by imitating a
 * hasty annotator.
 */
export async function warmStart(options: WarmStartOptions): Promise<Model> {
  const { engine, seed, visionSteps = 1000, answerSteps = 1500, onStep } = options;
  const streams = nanoStreams(seed);
  const dataset = nanoScenes(streams.warm, warmScenes);
  const model = await createModel(nano(), { engine, rng: streams.weights });
  await pretrainVision(model, {
    dataset,
    rng: streams.vision,
    steps: visionSteps,
    onStep: (step, loss) => onStep("vision", step, visionSteps, loss),
  });
  const policy = await createPolicy(model, { train: "language", keepReference: false });
  const steps = finetune({
    policy,
    dataset: looseAnswers(dataset, streams.warm.fork("loose")),
    optimizer: nanoOptimizer(0.98),
    config: warmConfig(seed, answerSteps),
  });
  for await (const { step, metrics } of steps)
    onStep("answers", step, answerSteps, metrics["policy/loss"] ?? Number.NaN);
  return model;
}
