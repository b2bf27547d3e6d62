import {
  createRng,
  thousand,
  type FrameOf,
  type ScoreFunction,
  type Dataset,
  type Rng,
  type Box,
  type ImageSize,
} from "@vlmr1/core";
import { drawScenes, sceneSplits, type SceneSplit, type SceneTargets, boxText, map } from "@vlmr1/data";
import { adamW, type GrpoConfig, type Optimizer, type SftConfig } from "@vlmr1/grpo";
import { formatReward, iouAtLeast, iouReward, weightedSum, type BoxTarget } from "@vlmr1/rewards";
import type { z } from "zod";

/** Longest answer of `nano` in tokens while it trains; a good one has 18, or 23 where it names an anchor first. */
export const maxNewTokens = 24;

/** Longest answer to a question that training does not ask, such as two relations in a row. */
export const maxUnseenTokens = 32;

/** Scenes that the warm start has seen. */
export const warmScenes = 20_000;

/** Width of `nano`'s decoder (D). */
export const nanoWidth = 96;

/** The embedding learns sqrt(D) times faster and the last norm slower, as if embeddings were scaled by sqrt(D) on their way in. */
export const nanoRates = [
  ["model.language_model.embed_tokens.weight", Math.sqrt(nanoWidth)],
  ["model.language_model.norm.weight", 1 / Math.sqrt(nanoWidth)],
] as const;

/** AdamW with the two multipliers of a model this narrow. */
export function nanoOptimizer(secondBeta: number): Optimizer {
  return adamW({ betas: [0.9, secondBeta], rates: Object.fromEntries(nanoRates) });
}

/** The rules that the demo trains with: the box overlaps the object by half, and the answer keeps its form. */
export function nanoScore(frame: FrameOf): ScoreFunction<BoxTarget> {
  return weightedSum({ iou: iouAtLeast(0.5, { frame }), format: [0.2, formatReward()] });
}

/** What the demo measures on held-out scenes: the share of boxes that overlap by half, and the mean overlap. */
export function nanoMetrics(frame: FrameOf) {
  return { accuracy: iouAtLeast(0.5, { frame }), "mean IoU": iouReward({ frame }) };
}

/** Scenes of a step of imitation. */
export const warmBatch = 32;

/** Stage 1: imitate loosely drawn answers, with the tower frozen. */
export function warmConfig(seed: number, steps: number): z.input<typeof SftConfig> {
  return {
    steps,
    seed,
    batchSize: warmBatch,
    learningRate: 2e-3,
    schedule: {
      shape: "plateau",
      warmup: Math.min(20, Math.floor(steps / 10)),
      decay: Math.ceil(steps * 0.15),
    },
    maxGradientNorm: 1e9,
    guards: [],
    checkpointEvery: 0,
    maxAnswerTokens: maxNewTokens,
    bucketBatches: 1,
  };
}

/** Stage 2: learn from rewards alone. 16 prompts, 8 answers each. */
export function grpoConfig(seed: number, steps: number): z.input<typeof GrpoConfig> {
  return {
    steps,
    seed,
    promptsPerStep: 16,
    groupSize: 8,
    learningRate: 5e-4,
    schedule: { shape: "polynomial", warmup: Math.min(5, Math.floor(steps / 10)), power: 1, end: 0.1 },
    maxNewTokens,
    temperature: 1,
    measureKlEvery: 20,
    checkpointEvery: 0,
  };
}

/** Every stream of a seed, by what it is for. */
export function nanoStreams(seed: number) {
  const rng = createRng(seed);
  return {
    weights: rng.fork("weights"),
    warm: rng.fork("warm scenes"),
    vision: rng.fork("vision head"),
    train: rng.fork("training scenes"),
    heldOut: rng.fork("held-out scenes"),
  };
}

/** A drawn scene's truth: the box asked for, and everything that the scene shows. */
export type NanoTarget = SceneTargets["referring"];

/**
 * The distribution that `nano` learns on: 64 x 64 pixels, 3 or 4 objects, boxes written in thousandths as Qwen3-VL does, or in the frame of
 * another model.
 */
export function nanoScenes(
  rng: Rng,
  length: number,
  {
    split = {},
    name = "scene",
    frame = thousand,
  }: { split?: SceneSplit; name?: string; frame?: FrameOf } = {},
): Dataset<NanoTarget> {
  return drawScenes({ rng, length, answerFrame: frame, everyWordNeeded: false, name, ...split });
}

/** Splits that differ from training in one thing each. */
export const outOfDomain = [
  "held-out-pairs",
  "other-style",
  "more-objects",
  "two-hop",
  "striped-ground",
] as const satisfies readonly (keyof typeof sceneSplits)[];

/** Held-out scenes of one kind. */
export function nanoSplit(
  rng: Rng,
  name: keyof typeof sceneSplits,
  length: number,
  frame: FrameOf,
): Dataset<NanoTarget> {
  return nanoScenes(rng.fork(name), length, { split: sceneSplits[name], name, frame });
}

/** How far a side may lie outside the object, as a share of the object's width or height. */
const slack = 0.5;

/**
 * Scenes as a hasty annotator would answer them: the right object, and a box around it whose sides lie up to half of its size too far
 * out, each by an amount of its own. Who imitates these answers learns what is meant, and to draw loosely; better boxes are
 * left for the rules to teach.
 */
export function looseAnswers(dataset: Dataset<NanoTarget>, rng: Rng): Dataset<NanoTarget> {
  return map(dataset, (sample, index) => {
    const { box, scene } = sample.target;
    const text = boxText(loosen(box, scene, rng.fork(`${index}`)), scene, thousand());
    return { ...sample, answer: (sample.answer ?? "").replace(/\[[^\]]*\]/, text) };
  });
}

function loosen([x1, y1, x2, y2]: Box, image: ImageSize, rng: Rng): Box {
  const offset = (side: number): number => rng.integer(Math.round(side * slack) + 1); // whole pixels
  return [
    Math.max(0, x1 - offset(x2 - x1)),
    Math.max(0, y1 - offset(y2 - y1)),
    Math.min(image.width, x2 + offset(x2 - x1)),
    Math.min(image.height, y2 + offset(y2 - y1)),
  ];
}
