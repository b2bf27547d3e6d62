import { readFileSync } from "node:fs";
import { join } from "node:path";
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
import type { RunConfig } from "../config/run-config.ts";

/** A model in numbers, from its config.json alone. */
export interface ModelSize {
  readonly architecture: Architecture;
  readonly parameters: number;
  /** How many of them training changes, or adds. */
  readonly trained: number;
}

/** Reads a checkpoint's config.json; no weight is touched. */
export function modelSize({ model, train, lora }: Pick<RunConfig, "model" | "train" | "lora">): ModelSize {
  const config = model === "nano" ? nano().config : readModelConfig(model);
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
