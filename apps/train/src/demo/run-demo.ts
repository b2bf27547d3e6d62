import { existsSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { thousand } from "@vlmr1/core";
import { openEngine, type Engine } from "@vlmr1/engine";
import { grpoLoss, train } from "@vlmr1/grpo";
import { createPolicy, loadModel, type Model } from "@vlmr1/model";
import { audit } from "@vlmr1/rewards";
import { shippedNano } from "../compose/open-run-model.ts";
import { grpoConfig, maxNewTokens, nanoMetrics, nanoOptimizer, nanoScore } from "../nano/nano-recipe.ts";
import { warmStart } from "../nano/warm-start.ts";
import { reportPage } from "../page/report-page.ts";
import type { RunSink } from "../run/events.ts";
import { readRun } from "../run/run-folder.ts";
import { runTraining, type TrainingOutcome } from "../training/run-training.ts";
import { stepsThatFit } from "./choose-steps.ts";
import { demoData, demoSizes } from "./demo-data.ts";

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
    const score = nanoScore;
    const optimizer = nanoOptimizer(0.99);
    const recipe = { dataset: data.train, score, optimizer, loss: grpoLoss({ beta: 0 }) };
    const steps =
      options.steps ??
      (await stepsThatFit(policy, { ...recipe, config: grpoConfig(seed, 300) }, options.seconds));
    const config = grpoConfig(seed, steps);
    const samples = await Promise.all(
      Array.from({ length: Math.min(16, sizes.heldOut) }, (_, index) => data.heldOut.get(index)),
    );
    const exploits = await audit(score, { samples, frame: thousand });
    for (const sink of options.sinks) {
      await sink.write({
        kind: "audit",
        rows: exploits.map(({ exploit, description, earned, honest, beatsHonest }) => ({
          exploit,
          "what it writes": description,
          earns: earned,
          "an honest answer earns": honest,
          pays: beatsHonest,
        })),
      });
    }
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
      heldOut: { dataset: data.heldOut, metrics: nanoMetrics as never, maxNewTokens, batchSize: 125 },
      sinks: options.sinks,
      signal,
    });
    const trained = join(directory, "model");
    await policy.save(trained);
    const report = join(directory, "report.html");
    writeFileSync(report, reportPage(readRun(directory)));
    await model.dispose();
    return { ...outcome, report, model: trained };
  } finally {
    await engine.dispose();
  }
}

async function startingModel(engine: Engine, options: DemoOptions): Promise<Model> {
  const { fromScratch, say, seed, directory } = options;
  if (!fromScratch && existsSync(shippedNano)) return loadModel(shippedNano, { engine });
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
    Rewards: "1 for a box with IoU above 0.5, 0.2 for the form of the answer",
    Training: `GRPO, ${steps} steps of 16 prompts with 8 answers each, decoder only`,
    Device: `${device} (${runtime}), ${threads} threads`,
  };
}
