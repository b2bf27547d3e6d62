import type { FlagScope } from "./config-flags.ts";

const plain = ["lossOptions", "optimizerOptions"];

/** The flags of the training commands: where both have an option (`steps`), each takes its own section's. */
export const trainingScopes: Readonly<Record<"grpo" | "sft", FlagScope>> = {
  grpo: { without: ["sft", "answerTemplate"], plain: [...plain, "grpo"] },
  sft: { without: ["grpo", "rewards", "loss", "lossOptions", "sampler"], plain: [...plain, "sft"] },
};
