import { GrpoConfig, losses, optimizers, SftConfig } from "@vlmr1/grpo";
import { z } from "zod";
import { checkVariant, variantOptions } from "./variant-options.ts";

/** Formats of datasets by name; what each reads is in datasets/named-datasets.ts. */
export const datasetNames = [
  "scenes",
  "refcoco",
  "refcoco+",
  "refcocog",
  "coco",
  "open-vocabulary",
  "ovdeval",
  "vlm-r1-jsonl",
  "vlm-r1-json",
  "vlm-r1-yaml",
  "conversations",
  "hugging-face",
  "reason-seg",
  "r1v",
] as const;

/** What the numbers of a box can mean. */
export const frameNames = ["auto", "pixels", "unit", "thousand", "resized"] as const;

/** Where it can compute. */
export const deviceNames = ["cpu", "pjrt", "tensorflow"] as const;

/** How frozen weights can be stored. */
export const dtypeNames = ["float32", "bfloat16", "int8", "int4"] as const;

/** What drawn scenes can ask. */
export const sceneTasks = ["referring", "counting", "yes-no", "detection"] as const;

const optional = {
  text: (about: string) => z.string().optional().describe(about),
  number: (about: string) => z.number().optional().describe(about),
  boolean: (about: string) => z.boolean().optional().describe(about),
};

const Lora = z.strictObject({
  rank: z.int().min(1).default(16).describe("Width of the bottleneck (r)."),
  alpha: z.number().positive().default(32).describe("Updates are scaled by alpha / rank."),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("Share of the adapter's inputs that is zeroed in training."),
  targets: z
    .string()
    .default("all-linear")
    .describe(
      "Names of linear layers with commas, a regular expression, or all-linear (all but the output head).",
    ),
});

const Scenes = z.strictObject({
  task: z.enum(sceneTasks).default("referring").describe("What the drawn scenes ask."),
  kind: z
    .enum([
      "new-scenes",
      "held-out-pairs",
      "other-style",
      "other-sizes",
      "more-objects",
      "two-hop",
      "striped-ground",
    ])
    .default("new-scenes")
    .describe("What differs from the training distribution."),
  length: z.int().min(1).default(10_000).describe("Scenes to draw; held-out ones are others."),
  side: z.int().min(16).max(2048).default(64).describe("Width and height in pixels."),
});

const Evaluation = z.strictObject({
  metrics: z
    .array(z.string())
    .optional()
    .describe(
      "Rewards to average over held-out samples; the first is the headline (default: the dataset's).",
    ),
  batchSize: z.int().min(1).default(8).describe("Samples answered at once."),
  maxNewTokens: z.int().min(1).optional().describe("Longest answer (default: as in training, or 256)."),
  temperature: z.number().min(0).default(0).describe("0 is greedy, as published evaluations are."),
  completions: z.int().min(1).default(1).describe("Answers to each sample; its score is their mean."),
});

const Sampler = z.strictObject({
  url: z.string().describe("OpenAI-compatible root of a server that answers in place of the policy."),
  model: z.string().describe("The model's name at the server."),
  apiKeyEnv: optional.text("Environment variable that holds the server's key."),
  timeoutMs: z
    .number()
    .positive()
    .default(240_000)
    .describe("Milliseconds to wait for the answers to a prompt."),
  retries: z.int().min(0).default(4).describe("Attempts after the first."),
  concurrency: z.int().min(1).default(16).describe("Prompts asked at once."),
});

const Judge = z.strictObject({
  url: optional.text("OpenAI-compatible root of the server that the reward judge asks."),
  model: optional.text("The model's name at that server."),
  apiKeyEnv: optional.text("Environment variable that holds its key."),
  timeoutMs: z.number().positive().default(30_000).describe("Milliseconds for one attempt."),
  retries: z.int().min(0).default(3).describe("Attempts after the first."),
  concurrency: z.int().min(1).default(8).describe("Requests under way at once."),
  otherwise: optional.number("What counts when there is no verdict (default: the run stops)."),
});

function namesOf<Variants extends object>(variants: Variants): (keyof Variants & string)[] {
  return Object.keys(variants) as (keyof Variants & string)[];
}

/** How weights may be stored, from exact to small. */
export const precisions = ["float32", "bfloat16", "int8", "int4"] as const;
const rolloutPrecisions = ["float32", "int8", "int4"] as const;

/** Everything that a run can be told. The command line, the configuration file and docs/configuration.md are made of it. */
const RunOptions = z.strictObject({
  model: z
    .string()
    .default("nano")
    .describe(
      "Folder of a Hugging Face checkpoint, owner/name or owner/name@revision on the Hub, or nano: the built-in model of the demo.",
    ),
  adapter: optional.text("Folder of a PEFT adapter to start from."),
  train: z
    .string()
    .default("lora")
    .describe(
      "What changes: all, language (the decoder), lora, or name patterns with commas, such as *mlp*.",
    ),
  lora: Lora.prefault({}).describe("The adapter, with train lora."),
  gradientCheckpointing: z
    .boolean()
    .default(false)
    .describe("Compute layers again in the backward pass: less memory, about 1.3 times the time."),
  basePrecision: z
    .enum(precisions)
    .default("float32")
    .describe("How weights that are not trained are stored; below float32 only an adapter can be trained."),
  rolloutPrecision: z
    .enum(rolloutPrecisions)
    .optional()
    .describe(
      "How the weights lie from which completions for training are drawn; the update is exact (default: as the base).",
    ),

  dataset: z.enum(datasetNames).default("scenes").describe("Format of the data."),
  data: optional.text(
    "The data: a folder for refcoco and reason-seg, else the annotation file; vlm-r1-jsonl takes several with colons.",
  ),
  images: optional.text(
    "Folder of the images (default: the format's own, or the file's folder); one for all files or one each with colons.",
  ),
  split: optional.text("Split to train on, or to evaluate (default: train, or the format's first)."),
  limit: z.int().min(1).optional().describe("Use only this many samples, from the start."),
  heldOut: optional.text("Split to measure on before and after; other scenes when they are drawn."),
  heldOutData: optional.text("Another file or folder to measure on."),
  heldOutImages: optional.text("Folder of its images."),
  heldOutLimit: z.int().min(1).optional().describe("Measure on only this many samples."),
  question: optional.text(
    "How an expression or list of names becomes a question: a text with {}, or rec, detection, detection-in-tags, odinw, plain.",
  ),
  template: optional.text(
    "What is put around the question: a text with {}, or rec, think, json, od-length, plain, rec-baseline, r1v.",
  ),
  answer: z
    .enum(["text", "box", "objects"])
    .optional()
    .describe("How the file's answers are read: text, box or objects."),
  answerTemplate: optional.text(
    "sft: the answer to imitate when the data has none: a text with {box}, {objects}, {answer} or {solution}.",
  ),
  answerFrame: z
    .enum(["pixels", "unit", "thousand"])
    .default("pixels")
    .describe(
      "What the numbers of boxes in the file's answers mean: pixels, fractions or thousandths of the picture.",
    ),
  rewardMethod: optional.text(
    "vlm-r1-jsonl: the rule of rows without accu_reward_method (default, mcq, odLength, …), one for all files or one each with colons.",
  ),
  onBadSample: z
    .enum(["throw", "skip"])
    .default("throw")
    .describe(
      "Stop at a bad sample, or go on: training takes the next one, evaluations leave it out; both name it.",
    ),
  maxPixels: z
    .int()
    .min(1)
    .default(67_108_864)
    .describe("Refuse pictures of more pixels than this (width x height)."),
  exifRotation: z
    .boolean()
    .default(true)
    .describe("Turn pictures upright as EXIF says; false for boxes in the pixels as they are stored."),
  scenes: Scenes.prefault({}).describe("The drawn scenes, with dataset scenes."),

  rewards: z
    .array(z.string())
    .optional()
    .describe(
      "Rules with their weights, such as 0.5*format, iou-at-least:0.3..0.7@500, iou if format or ./file.ts#export (default: the dataset's).",
    ),
  judge: Judge.prefault({}).describe("The server of the rule judge."),
  curriculum: optional.text(
    "Which prompts come when: in-order:STEPS opens the data from its beginning, all of it by that step; or ./file.ts#export.",
  ),
  frame: z
    .enum(frameNames)
    .default("auto")
    .describe("What the numbers of a box mean in the model's answers; auto follows its family."),
  evaluation: Evaluation.prefault({}).describe("How the policy is measured."),

  loss: z.enum(namesOf(losses)).default("grpo").describe("Variant of the policy loss."),
  lossOptions: variantOptions(losses)
    .prefault({})
    .describe("Options of the loss; those of other variants are refused."),
  optimizer: z.enum(namesOf(optimizers)).default("adamw").describe("What turns gradients into updates."),
  optimizerOptions: variantOptions(optimizers).prefault({}).describe("Options of the optimizer."),
  grpo: GrpoConfig.omit({ seed: true }).prefault({}).describe("Reinforcement learning."),
  sft: SftConfig.omit({ seed: true }).prefault({}).describe("Supervised fine-tuning."),
  sampler: Sampler.optional().describe("A server that samples; absent: the policy itself."),

  device: z
    .enum(deviceNames)
    .default("cpu")
    .describe("Where it computes: cpu needs nothing, pjrt is every accelerator, tensorflow libtensorflow."),
  plugin: optional.text(
    "Of pjrt: cuda, rocm, tpu, metal, oneapi, or the path of a library (default: the one that is installed).",
  ),
  dtype: z
    .enum(dtypeNames)
    .default("float32")
    .describe("How frozen weights are stored; below float32, only adapters can be trained."),
  xla: optional.boolean("Of tensorflow: compile with XLA."),
  threads: z.int().min(1).optional().describe("Threads inside one operation (default: all)."),
  seed: z.int().default(0).describe("Everything random follows from it."),
  title: optional.text("Title of the report (default: what learns what, and how)."),
  logEvery: z
    .int()
    .min(0)
    .default(1)
    .describe("Steps between rollouts that are kept whole in completions.jsonl; 0 keeps none."),
  out: optional.text("Folder of the run (default: a new one under runs/)."),
  live: z.boolean().default(false).describe("Serve a page on this computer that follows the run."),
  port: z.int().min(0).max(65_535).default(0).describe("Port of that page; 0 is any free one."),
});

/** The same, with the options of loss and optimizer checked by the variants that were chosen. */
export const RunConfig = RunOptions.superRefine((config, context) => {
  const { loss, lossOptions, optimizer, optimizerOptions } = config;
  checkVariant(losses, loss, lossOptions, { path: "lossOptions", kind: "loss", context });
  checkVariant(optimizers, optimizer, optimizerOptions, {
    path: "optimizerOptions",
    kind: "optimizer",
    context,
  });
});
export type RunConfig = z.output<typeof RunConfig>;
