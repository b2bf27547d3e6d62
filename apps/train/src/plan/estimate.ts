import { VlmR1Error } from "@vlmr1/core";
import {
  adaptedModules,
  DEFAULT_LORA,
  familyOf,
  knownFamilies,
  nano,
  type Architecture,
  type LoraConfig,
} from "@vlmr1/model";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunConfig } from "../config/run-config.ts";
import { localPath } from "../hub/named.ts";
import { duration } from "../terminal.ts";
import type { RunPlan } from "./decide.ts";

/** What a run will do, before it does anything. */
export interface Estimate {
  readonly command: "grpo" | "sft";
  readonly model: string;
  readonly parameters: number;
  readonly trainedParameters: number;
  readonly samples: number;
  readonly heldOutSamples: number;
  readonly steps: number;
  /** Prompts (grpo) or samples (sft) of one step. */
  readonly promptsPerStep: number;
  readonly completionsPerStep: number;
  /** Forward and backward passes that one step is cut into. */
  readonly microBatches: number;
  readonly updatesPerStep: number;
  readonly epochs: number;
  readonly rewards: readonly string[];
  /** Bytes, by what they are for. */
  readonly memory: Readonly<Record<"weights" | "training" | "reference" | "cache" | "activations", number>>;
  /** Seconds of one step, when one was tried. */
  readonly secondsPerStep?: number;
}

/** What the estimate is made from, beside the plan. */
export interface EstimateInputs {
  readonly size: ModelSize;
  readonly samples: number;
  readonly heldOutSamples: number;
  readonly secondsPerStep?: number;
}

/** Works out batches, epochs and memory of a run. */
export function estimate(
  plan: RunPlan,
  { size, samples, heldOutSamples, secondsPerStep }: EstimateInputs,
): Estimate {
  const { kind: command, rewards, config } = plan;
  const { grpo, sft } = config;
  const isGrpo = command === "grpo";
  const steps = (isGrpo ? grpo : sft).steps;
  const promptsPerStep = isGrpo ? grpo.promptsPerStep : sft.batchSize;
  const perMicroBatch = (isGrpo ? grpo.promptsPerMicroBatch : sft.samplesPerMicroBatch) ?? promptsPerStep;
  const updates = isGrpo ? grpo.minibatches * grpo.iterations : 1;
  const prompts = Math.min(perMicroBatch, Math.ceil(promptsPerStep / (isGrpo ? grpo.minibatches : 1)));
  return {
    command,
    model: config.model,
    parameters: size.parameters,
    trainedParameters: size.trained,
    samples,
    heldOutSamples,
    steps,
    promptsPerStep,
    completionsPerStep: isGrpo ? promptsPerStep * grpo.groupSize : promptsPerStep,
    microBatches: Math.ceil(promptsPerStep / perMicroBatch),
    updatesPerStep: updates,
    epochs: (steps * promptsPerStep) / samples,
    rewards,
    memory: memoryOf(plan, size, prompts),
    ...(secondsPerStep !== undefined && { secondsPerStep }),
  };
}

const float = 4;
/** Bytes of a weight as it is stored: blocks of 32 have one scale; `cpu` has no storage for bfloat16. */
const bytesPerWeight = { float32: 4, bfloat16: 4, int8: 36 / 32, int4: 20 / 32 };
/** Tokens of a prompt, when no picture has been looked at: a photo and a question. */
const promptTokens = 512;

/**
 * A rough sum, in bytes. Weights, gradients, moments and caches are exact for float32; activations assume that a layer keeps
 * about 12 hidden and 3 intermediate vectors a token, and prompts of 512 tokens.
 */
function memoryOf(
  { config, kind, optimizer, loss }: RunPlan,
  { architecture, parameters, trained }: ModelSize,
  prompts: number,
) {
  const { grpo, sft, train } = config;
  const isGrpo = kind === "grpo";
  const { decoder } = architecture;
  const moments = optimizer.stateNames.length;
  const isLora = train === "lora";
  const length = isGrpo ? grpo.maxNewTokens : sft.maxAnswerTokens;
  const completions = isGrpo ? grpo.groupSize : 1;
  const keyValues = 2 * decoder.layers * decoder.keyValueHeads * decoder.headDim * float;
  const cached = isGrpo ? grpo.promptsPerStep * (promptTokens + completions * length) : 0;
  const perToken = 12 * decoder.hiddenSize + 3 * decoder.intermediateSize;
  const layers = config.gradientCheckpointing ? 2 : decoder.layers;
  const usesReference = isGrpo && !isLora && loss.needs.reference;
  const stored = bytesPerWeight[config.basePrecision];
  const decoding = bytesPerWeight[isGrpo ? (config.rolloutPrecision ?? config.basePrecision) : "float32"];
  return {
    weights: parameters * (stored + (isLora ? decoding : 0)),
    training: trained * float * (1 + moments + (isLora ? 1 : 0)),
    reference: usesReference ? trained * float : 0,
    cache: cached * keyValues,
    activations: prompts * (promptTokens + completions * length) * perToken * layers * float,
  };
}

/** The plan for people. */
export function estimateText(plan: Estimate): string {
  const { command, memory, steps, secondsPerStep } = plan;
  const total = Object.values(memory).reduce((sum, bytes) => sum + bytes, 0);
  const step =
    command === "grpo"
      ? `${plan.promptsPerStep} prompts x ${plan.completionsPerStep / plan.promptsPerStep} completions = ${plan.completionsPerStep}`
      : `${plan.promptsPerStep} completions`;
  const rows: readonly (readonly [string, string])[] = [
    [
      "Model",
      `${plan.model}, ${millions(plan.parameters)} parameters, ${millions(plan.trainedParameters)} trained`,
    ],
    [
      "Data",
      `${plan.samples} samples${plan.heldOutSamples > 0 ? `, ${plan.heldOutSamples} held out` : ", none held out"}`,
    ],
    ...(command === "grpo" ? [["Rewards", plan.rewards.join(" + ")] as const] : []),
    [
      "Step",
      `${step}, in ${plan.microBatches} pass${plan.microBatches === 1 ? "" : "es"}, ${plan.updatesPerStep} update${plan.updatesPerStep === 1 ? "" : "s"}`,
    ],
    [
      "Run",
      `${steps} steps, ${plan.epochs.toFixed(plan.epochs < 1 ? 2 : 1)} epochs, ${steps * plan.updatesPerStep} updates`,
    ],
    [
      "Memory",
      `about ${gigabytes(total)}: ${Object.entries(memory)
        .filter(([, bytes]) => bytes > 0)
        .map(([name, bytes]) => `${name} ${gigabytes(bytes)}`)
        .join(", ")}`,
    ],
    [
      "Time",
      secondsPerStep === undefined
        ? "unknown until a step has run: add --trial to load the model and measure one"
        : `about ${duration(secondsPerStep * steps)} at ${secondsPerStep.toFixed(2)} s a step, evaluations not counted`,
    ],
  ];
  return rows.map(([name, value]) => `${name.padEnd(8)} ${value}`).join("\n");
}

function millions(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(2)} billion` : `${(count / 1e6).toFixed(2)} million`;
}

function gigabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(0)} MB`;
}

/** A model in numbers, from its config.json alone. */
export interface ModelSize {
  readonly architecture: Architecture;
  readonly parameters: number;
  /** How many of them training changes, or adds. */
  readonly trained: number;
}

/** Reads a checkpoint's config.json; no weight is touched. */
export function modelSize({ model, train, lora }: Pick<RunConfig, "model" | "train" | "lora">): ModelSize {
  const config = model === "nano" ? nano().config : readModelConfig(localPath(model));
  const architecture = familyOf(config, knownFamilies).architecture(config);
  const { tensors, vision } = architecture;
  const count = (names: typeof tensors): number =>
    names.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const isVision = (name: string): boolean =>
    vision?.prefixes.some((prefix) => name.startsWith(`${prefix}.`)) ?? false;
  const trained = (): number => {
    if (train === "lora") {
      const modules = adaptedModules(tensors, { ...DEFAULT_LORA, ...loraOptions(lora) });
      return modules.reduce((sum, { rank, inputs, outputs }) => sum + rank * (inputs + outputs), 0);
    }
    if (train === "all") return count(tensors);
    if (train === "language") return count(tensors.filter(({ name }) => !isVision(name)));
    const patterns = train.split(",").map(globPattern);
    return count(tensors.filter(({ name }) => patterns.some((pattern) => pattern.test(name))));
  };
  return { architecture, parameters: count(tensors), trained: trained() };
}

/** The adapter's options as the model takes them: names with commas become a list, a regular expression stays one. */
export function loraOptions({ targets, ...numbers }: RunConfig["lora"]): Partial<LoraConfig> {
  const isNames = targets !== "all-linear" && /^[\w.,]+$/.test(targets);
  return { ...numbers, targets: isNames ? targets.split(",") : targets };
}

/** A pattern that cannot backtrack badly: between stars, each piece is looked for once. */
function globPattern(glob: string): { test(text: string): boolean } {
  const pieces = glob.split("*");
  return {
    test(text) {
      let at = 0;
      for (const [index, piece] of pieces.entries()) {
        const found = text.indexOf(piece, at);
        if (found < 0 || (index === 0 && found > 0)) return false;
        at = found + piece.length;
      }
      return pieces.at(-1) === "" || text.endsWith(pieces.at(-1) as string);
    },
  };
}

function readModelConfig(folder: string): unknown {
  const path = join(folder, "config.json");
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch (cause) {
    throw new VlmR1Error(
      "not-found",
      `${path} cannot be read: --model is the folder of a checkpoint, or nano.`,
      {
        cause,
      },
    );
  }
}
