import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createRng, type FrameOf } from "@vlmr1/core";
import type { Engine } from "@vlmr1/engine";
import { bootstrapMean } from "@vlmr1/eval";
import { createPolicy, loadModel, type Model } from "@vlmr1/model";
import { adamW, type Optimizer, type Policy } from "@vlmr1/grpo";
import { weightPrecision, type DeviceOptions } from "../model/device.ts";
import { modelFolder, modelFrame } from "../model/open-model.ts";
import { nanoOptimizer, nanoRates, nanoWidth } from "../nano/recipe.ts";

/** Where every arm of an experiment begins. */
export interface StartingPoint extends DeviceOptions {
  /** Folder of the checkpoint, or `nano`: the warm start that ships with the app. */
  readonly model: string;
}

/** What learns in an arm of an experiment. */
export interface Learner {
  readonly policy: Policy;
  /** The frame in which the model writes boxes. */
  readonly frame: FrameOf;
  /** AdamW with this decay of the second moment. */
  readonly optimizer: (secondBeta: number) => Optimizer;
}

/** Opens a fresh copy of the starting point, trained as the demo trains it: the decoder, with its first weights as reference. */
export async function withStart<Result>(
  engine: Engine,
  start: StartingPoint,
  work: (learner: Learner) => Promise<Result>,
): Promise<Result> {
  const model = await loadModel(modelFolder(start.model), { engine, precision: weightPrecision(start) });
  try {
    const policy = await createPolicy(model, { train: "language" });
    const optimizer = isShapedAsNano(model) ? nanoOptimizer : (beta: number) => adamW({ betas: [0.9, beta] });
    return await work({ policy, frame: modelFrame(model), optimizer });
  } finally {
    await model.dispose();
  }
}

/** Whether the multipliers of {@link nanoOptimizer} fit: they are for parameters of one family, at one width. */
function isShapedAsNano({ architecture, parameters }: Model): boolean {
  const names = new Set(parameters.specs.map(({ name }) => name));
  return architecture.decoder.hiddenSize === nanoWidth && nanoRates.every(([name]) => names.has(name));
}

/** A mean over seeds with the interval of a bootstrap over seeds and samples together. */
export interface SeedMean {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The mean of per-sample scores over several seeds. The interval resamples all scores: it tells how sure the mean is, not the spread of seeds. */
export function seedMean(scores: readonly (readonly number[])[]): SeedMean {
  const { mean, low, high } = bootstrapMean(scores.flat(), { rng: createRng(0).fork("intervals") });
  return { mean, low, high };
}

/** `61.2 [58.9, 63.4]`, in percent. */
export function percentText({ mean, low, high }: SeedMean): string {
  const percent = (value: number): string => (100 * value).toFixed(1);
  return `${percent(mean)} [${percent(low)}, ${percent(high)}]`;
}

/** A Markdown table. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

const heading = `# Results

Each part of this page is written by the command above its table. Numbers are whatever came out; intervals are 95 % bootstrap
intervals over all samples of all seeds.
`;

/** One experiment on the page. */
export interface ResultSection {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly command: string;
  /** How large the run was, and on what. */
  readonly setting: string;
  readonly tables: string;
}

/** Puts an experiment into the page of results, in place of its earlier numbers; other sections stay as they are. */
export function writeResults(path: string, section: ResultSection): void {
  const page = existsSync(path) ? readFileSync(path, "utf8") : heading;
  const [begin, end] = [`<!-- ${section.name} -->`, `<!-- end of ${section.name} -->`];
  const text = [
    begin,
    `## ${section.title}`,
    section.question,
    `\`\`\`sh\n${section.command}\n\`\`\``,
    section.setting,
    section.tables,
    end,
  ].join("\n\n");
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  const next =
    from >= 0 && to > from
      ? page.slice(0, from) + text + page.slice(to + end.length)
      : `${page.trimEnd()}\n\n${text}\n`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, next);
}
