import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { VlmR1Error, type Box, type Dataset, type Rng } from "@vlmr1/core";
import { invalidData, unreadable } from "@vlmr1/core/files";
import { parse } from "yaml";
import { z } from "zod";
import { concat, indices, select } from "../dataset/arrange.ts";
import type { LoadedDataset, SkippedSamples } from "../dataset/bad-samples.ts";
import { vlmR1Evaluation, type VlmR1EvaluationOptions } from "./vlm-r1-evaluation.ts";
import type { ProblemRow } from "./vlm-r1-problems.ts";

const File = z.strictObject({
  datasets: z
    .array(
      z.strictObject({
        json_path: z.string().min(1).describe("a .json list or .jsonl file of {image, problem, solution}"),
        sampling_strategy: z
          .string()
          .regex(/^(all|(first|end|random):\d{1,9}%?)$/)
          .default("all")
          .describe(
            "all, or first, end or random with a number of records or a percentage: first:1000, random:10%",
          ),
      }),
    )
    .min(1),
});

export interface VlmR1YamlOptions<Target> extends Omit<VlmR1EvaluationOptions<Target>, "path"> {
  /** The YAML file. Its `json_path`s are relative to its own folder, or absolute. */
  readonly path: string;
  /** Where `random:N` draws from; the published code draws without a seed. Needed only when the file has such a strategy. */
  readonly rng?: Rng;
}

/**
 * Loads VLM-R1's YAML list of datasets, each with a sampling strategy: `all`, `first:N`, `end:N`, `random:N`, N a number or `N%`,
 * rounded up.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming file and member.
 * @see https://github.com/om-ai-lab/VLM-R1/blob/main/src/open-r1-multimodal/src/open_r1/grpo_rec.py
 */
export async function vlmR1Yaml<Target = { readonly box: Box }>(
  options: VlmR1YamlOptions<Target>,
): Promise<LoadedDataset<Target & ProblemRow>> {
  const { datasets } = await readYaml(options.path);
  const parts: Dataset<Target & ProblemRow>[] = [];
  const skips: SkippedSamples[] = [];
  for (const [position, { json_path, sampling_strategy }] of datasets.entries()) {
    const path = resolve(dirname(options.path), json_path);
    const dataset = await vlmR1Evaluation({ ...options, path });
    skips.push(dataset.skipped);
    parts.push(sampled(dataset, sampling_strategy, options.rng?.fork(`dataset-${position}`), options.path));
  }
  return {
    ...concat(...parts),
    skipped: {
      get count() {
        return skips.reduce((sum, { count }) => sum + count, 0);
      },
      get errors() {
        return skips.flatMap(({ errors }) => errors);
      },
    },
  };
}

async function readYaml(path: string): Promise<z.output<typeof File>> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100, logLevel: "error" });
  } catch (cause) {
    throw invalidData({
      file: path,
      problem: `this is no valid YAML: ${(cause as Error).message.split("\n", 1)[0]}`,
      cause,
    });
  }
  const read = File.safeParse(value);
  if (read.success) return read.data;
  const { path: member, message } = read.error.issues[0]!;
  const place = member.length === 0 ? "the file" : member.join(".");
  throw invalidData({
    file: path,
    place,
    problem: `${message}. The form is: datasets: [{json_path: file.json, sampling_strategy: "first:1000"}]`,
  });
}

function sampled<Target>(
  dataset: Dataset<Target>,
  strategy: string,
  rng: Rng | undefined,
  file: string,
): Dataset<Target> {
  const [kind, amount = ""] = strategy.split(":");
  if (kind === "all") return dataset;
  const { length } = dataset;
  const wanted = amount.endsWith("%")
    ? Math.ceil((Number.parseInt(amount, 10) * length) / 100)
    : Number(amount);
  const count = Math.min(wanted, length);
  if (kind === "first") return select(dataset, (index) => index, count, strategy);
  if (kind === "end") return select(dataset, (index) => length - count + index, count, strategy);
  if (rng === undefined) {
    throw new VlmR1Error(
      "invalid-argument",
      `${file} samples at random (${strategy}), so vlmR1Yaml needs the option rng.`,
    );
  }
  const order = rng.shuffled(indices(length));
  return select(dataset, (index) => order[index]!, count, strategy);
}
