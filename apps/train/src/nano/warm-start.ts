import type { Engine } from "@vlmr1/engine";
import { finetune } from "@vlmr1/grpo";
import { createModel, createPolicy, nano, type Model } from "@vlmr1/model";
import { looseAnswers } from "./loose-answers.ts";
import { nanoOptimizer, nanoStreams, warmConfig, warmScenes } from "./nano-recipe.ts";
import { nanoScenes } from "./nano-scenes.ts";
import { pretrainVision } from "./pretrain-vision.ts";

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
