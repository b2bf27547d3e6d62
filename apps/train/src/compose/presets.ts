import type { RunConfig } from "../config/run-config.ts";

type Preset = { [key: string]: unknown };

/** Width of `nano`'s decoder: see `nanoOptimizer`. */
const nanoWidth = Math.sqrt(96);

/** What the built-in model is trained with: the recipe of the demo. */
const nanoPreset = {
  train: "language",
  heldOut: "new-scenes",
  heldOutLimit: 200,
  rewards: ["iou-at-least:0.5", "0.2*format"],
  evaluation: { batchSize: 100, maxNewTokens: 32 },
  optimizerOptions: {
    betas: [0.9, 0.99],
    rates: {
      "model.language_model.embed_tokens.weight": nanoWidth,
      "model.language_model.norm.weight": 1 / nanoWidth,
    },
  },
  grpo: { learningRate: 4e-4, maxNewTokens: 32 },
  sft: { learningRate: 1e-3, maxAnswerTokens: 64 },
};

/** What a command starts from, under everything that the user says: good values depend on the model and on what is trained. */
export function presetFor({ model, train, dataset, optimizer, grpo }: RunConfig): Preset {
  const rate = train === "lora" ? 1e-5 : 1e-6;
  const usual: Preset = { grpo: { learningRate: rate }, sft: { learningRate: rate } };
  if (model !== "nano") return usual;
  const { heldOut, heldOutLimit, rewards: rules, optimizerOptions, ...always } = nanoPreset;
  const warmup = Math.min(5, Math.floor(grpo.steps / 10));
  const schedule = { shape: "polynomial", warmup, power: 1, end: 0.1 };
  return {
    ...always,
    grpo: { ...always.grpo, schedule },
    ...(dataset === "scenes" && { heldOut, heldOutLimit, rewards: rules }),
    ...(optimizer === "adamw" && (train === "language" || train === "all") && { optimizerOptions }),
  };
}
