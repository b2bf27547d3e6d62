import { createRng, thousand, type RewardFunction } from "@vlmr1/core";
import { adamW, type GrpoConfig, type Optimizer, type SftConfig } from "@vlmr1/grpo";
import { formatReward, iouAtLeast, iouReward, weightedSum } from "@vlmr1/rewards";
import type { z } from "zod";
import type { NanoTarget } from "./nano-scenes.ts";

/** Longest answer of `nano` in tokens while it trains; a good one has 18, or 23 where it names an anchor first. */
export const maxNewTokens = 24;

/** Longest answer to a question that training does not ask, such as two relations in a row. */
export const maxUnseenTokens = 32;

/** Scenes that the warm start has seen. */
export const warmScenes = 20_000;

/**
 * AdamW with the two multipliers of a model this narrow: the embedding learns sqrt(D) times faster and the last norm slower, as if
 * embeddings were scaled by sqrt(D) on their way in.
 */
export function nanoOptimizer(secondBeta: number): Optimizer {
  const width = Math.sqrt(96);
  return adamW({
    betas: [0.9, secondBeta],
    rates: {
      "model.language_model.embed_tokens.weight": width,
      "model.language_model.norm.weight": 1 / width,
    },
  });
}

/** The rules that the demo trains with: the box overlaps the object by half, and the answer keeps its form. */
export const nanoScore = weightedSum({
  iou: iouAtLeast(0.5, { frame: thousand }),
  format: [0.2, formatReward()],
});

/** What the demo measures on held-out scenes: the share of boxes that overlap by half, and the mean overlap. */
export const nanoMetrics: Readonly<Record<string, RewardFunction<NanoTarget>>> = {
  accuracy: iouAtLeast(0.5, { frame: thousand }),
  "mean IoU": iouReward({ frame: thousand }),
};

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
