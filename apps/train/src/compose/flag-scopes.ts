import type { FlagScope } from "./config-flags.ts";

const training = [
  "grpo",
  "sft",
  "loss",
  "lossOptions",
  "optimizer",
  "optimizerOptions",
  "sampler",
  "train",
  "lora",
];
const heldOut = ["heldOut", "heldOutData", "heldOutImages", "heldOutLimit"];
const watching = ["live", "port", "checkpointLayers", "answerTemplate"];
const evaluationOnly = [...training, ...heldOut, ...watching, "rewards"];
const dataOnly = [...evaluationOnly, "model", "adapter", "evaluation", "device", "threads"];
const plain = ["lossOptions", "optimizerOptions"];

/** The flags of the training commands: where both have an option (`steps`), each takes its own section's. */
export const trainingScopes: Readonly<Record<"grpo" | "sft", FlagScope>> = {
  grpo: { without: ["sft", "answerTemplate"], plain: [...plain, "grpo"] },
  sft: { without: ["grpo", "rewards", "loss", "lossOptions", "sampler"], plain: [...plain, "sft"] },
};

/** The flags of `vlmr1 eval model`. */
export const evaluationScope: FlagScope = { without: evaluationOnly, plain: ["evaluation"] };

/** The flags of `vlmr1 data preview` and `check`. */
export const dataScope: FlagScope = { without: dataOnly, plain: [] };

/** The flags of `vlmr1 data draw`. */
export const drawScope: FlagScope = {
  without: [
    ...dataOnly,
    "dataset",
    "data",
    "images",
    "split",
    "limit",
    "question",
    "template",
    "answer",
    "onBadSample",
    "frame",
  ],
  plain: ["scenes"],
};
