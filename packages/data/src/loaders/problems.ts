import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Box, createPythonRandom, type Dataset, type Rng, VlmR1Error } from "@vlmr1/core";
import { invalidData, type Mention, unreadable } from "@vlmr1/core/files";
import { parse } from "yaml";
import { z } from "zod";
import { concat, indices, select } from "../dataset/arrange.ts";
import { type LoaderOptions, createSkipLog, type LoadedDataset } from "../dataset/bad-samples.ts";
import { openImageFolder } from "../images/image-folder.ts";
import { type PromptTemplate, pythonText, r1vTemplate, recTemplate } from "../prompts.ts";
import { answerAsBox, answerAsText, type AnswerReader } from "../records/answers.ts";
import {
  checkPlaceholders,
  idField,
  imageNames,
  type JsonRecord,
  optionalField,
  type ParsedRecord,
  recordOf,
  recordSamples,
  textField,
  wrongField,
} from "../records/record-samples.ts";

export interface VlmR1EvaluationOptions<Target> extends LoaderOptions {
  /** A `.json` list or `.jsonl` file, for example `rec_jsons_processed/refcoco_val.json`. */
  readonly path: string;
  /** The folder that the records' `image` is relative to. */
  readonly images: string;
  /** Reads `solution`; default {@link answerAsBox}, since the published files ask for one box. */
  readonly answer?: AnswerReader<Target>;
  /** Default {@link recTemplate}. */
  readonly template?: PromptTemplate;
}

/**
 * Loads VLM-R1's evaluation files (`refcoco_val.json`, `lisa_test.json`, …): records of `{image, problem, solution: [x1, y1, x2, y2]}`
 * with the box in pixels of the original image. `id`s may repeat there, so samples are named by their record.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming record, field and value.
 */
export async function vlmR1Evaluation<Target = { readonly box: Box }>(
  options: VlmR1EvaluationOptions<Target>,
): Promise<LoadedDataset<Target & ProblemRow>> {
  const log = createSkipLog(options.onBadSample);
  const images = await openImageFolder(options.images, options);
  const answer = (options.answer ?? answerAsBox) as AnswerReader<Target>;
  const template = options.template ?? recTemplate;
  const fields = { image: "image", problem: "problem", solution: "solution" };
  const source = {
    path: options.path,
    images,
    parse: (record: unknown, mention: Mention) => {
      const { id: _, ...parsed } = parseProblem(record, mention, {
        template,
        answer,
        fields,
        group: "dataset_name",
      });
      return parsed;
    },
  };
  return recordSamples(options.path, [source], log);
}

/**
 * The samples that the published scripts evaluate: `random.seed(42); random.shuffle(data); data[:2000]`, number for number.
 * @throws VlmR1Error `invalid-argument` for a negative count.
 */
export function publishedSample<Target>(dataset: Dataset<Target>, count = 2000, seed = 42): Dataset<Target> {
  if (!Number.isInteger(count) || count < 0) {
    throw new VlmR1Error(
      "invalid-argument",
      `publishedSample needs a whole number of samples from 0, got ${count}.`,
    );
  }
  const order = createPythonRandom(seed).shuffled(indices(dataset.length));
  return select(dataset, (index) => order[index]!, Math.min(count, dataset.length), "publishedSample");
}

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
  const loaded: LoadedDataset<unknown>[] = [];
  for (const [position, { json_path, sampling_strategy }] of datasets.entries()) {
    const path = resolve(dirname(options.path), json_path);
    const dataset = await vlmR1Evaluation({ ...options, path });
    loaded.push(dataset);
    parts.push(sampled(dataset, sampling_strategy, options.rng?.fork(`dataset-${position}`), options.path));
  }
  return {
    ...concat(...parts),
    skipped: {
      get count() {
        return loaded.reduce((sum, { skipped }) => sum + skipped.count, 0);
      },
      get known() {
        return loaded.reduce((sum, { skipped }) => sum + skipped.known, 0);
      },
      get errors() {
        return loaded.flatMap(({ skipped }) => skipped.errors);
      },
    },
    get warnings() {
      return loaded.flatMap(({ warnings }) => warnings);
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

export interface R1vOptions extends LoaderOptions {
  /** `superclevr_test200_counting_problems.jsonl`, `geoqa_test_prompts.jsonl`, or a file of the same form. */
  readonly path: string;
  /** The folder that `image_path` is relative to. */
  readonly images: string;
  /** Default {@link r1vTemplate}. */
  readonly template?: PromptTemplate;
}

/**
 * Loads R1-V's counting and GEOQA questions: `{image_path, question, ground_truth}` a line, the truth a number or text ("65°").
 * (Its training sets on the Hugging Face Hub are tables: see `huggingFace`.)
 * @throws VlmR1Error `not-found`, or `invalid-data` naming line, field and value.
 * @see https://github.com/Deep-Agent/R1-V
 */
export async function r1v(
  options: R1vOptions,
): Promise<LoadedDataset<{ readonly answer: string } & ProblemRow>> {
  const log = createSkipLog(options.onBadSample);
  const images = await openImageFolder(options.images, options);
  const template = options.template ?? r1vTemplate;
  const fields = { image: "image_path", problem: "question", solution: "ground_truth" };
  const parse = (record: unknown, mention: Mention) =>
    parseProblem(record, mention, { template, answer: answerAsText, fields });
  return recordSamples(options.path, [{ path: options.path, images, parse }], log);
}

/** What a record of `{image, problem, solution}` says beside its answer. */
export interface ProblemRow {
  /** The published solution, as text. */
  readonly solution: string;
}

/** How to read a record of `{image, problem, solution}`. */
export interface ProblemReading<Target> {
  readonly template: PromptTemplate;
  readonly answer: AnswerReader<Target>;
  /** Which fields hold image, question and answer. */
  readonly fields: { readonly image: string; readonly problem: string; readonly solution: string };
  /** The member that breaks reports down into groups, when the records have it. */
  readonly group?: string;
}

/** Reads a record of image, problem and solution: VLM-R1's evaluation and legacy files, R1-V, Visual-RFT. */
export function parseProblem<Target>(
  value: unknown,
  mention: Mention,
  { template, answer, fields, group }: ProblemReading<Target>,
): ParsedRecord<Target & ProblemRow> {
  const record = recordOf(value, mention);
  const problem = textField(record, fields.problem, mention);
  const given = optionalField(record, fields.solution);
  if (given === undefined) throw wrongField(mention, fields.solution, "the answer", given);
  const read = answer(given, withoutTags(given), mention);
  const images = imageNames(record, fields.image, mention);
  checkPlaceholders([problem], images.length, mention);
  return {
    ...idField(record, mention),
    prompt: template(problem.replaceAll("<image>", "")),
    images,
    target: (sizes) => ({ ...read(sizes), solution: pythonText(given) }),
    ...groupOf(record, group),
  };
}

/** An answer as text, without <answer> tags around it. */
export function withoutTags(value: unknown): string {
  return pythonText(value)
    .replaceAll(/<\/?answer>/g, "")
    .trim();
}

function groupOf(record: JsonRecord, key: string | undefined): { readonly group?: string } {
  const group = key === undefined ? undefined : optionalField(record, key);
  return typeof group === "string" ? { group } : {};
}
