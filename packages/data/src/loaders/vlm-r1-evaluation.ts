import { createPythonRandom, VlmR1Error, type Box, type Dataset } from "@vlmr1/core";
import { indices, select } from "../dataset/arrange.ts";
import { createSkipLog, type BadSampleOptions, type LoadedDataset } from "../dataset/bad-samples.ts";
import { recTemplate, type PromptTemplate } from "../prompts.ts";
import { answerAsBox, type AnswerReader } from "./answers.ts";
import { openImageFolder } from "./image-folder.ts";
import { recordSamples } from "./record-samples.ts";
import { parseProblem, type ProblemRow } from "./vlm-r1-problems.ts";

export interface VlmR1EvaluationOptions<Target> extends BadSampleOptions {
  /** A `.json` list or `.jsonl` file, for example `rec_jsons_processed/refcoco_val.json`. */
  readonly path: string;
  /** The folder that the records' `image` is relative to. */
  readonly images: string;
  /** Reads `solution`; default {@link answerAsBox}, since the published files ask for one box. */
  readonly answer?: AnswerReader<Target>;
  /** Default {@link recTemplate}. */
  readonly template?: PromptTemplate;
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
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
    parse: (record: unknown, mention: { readonly file: string; readonly place: string }) => {
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
