import type { Mention } from "@vlmr1/core/files";
import { createSkipLog, type BadSampleOptions, type LoadedDataset } from "../dataset/bad-samples.ts";
import { r1vTemplate, type PromptTemplate } from "../prompts.ts";
import { answerAsText } from "./answers.ts";
import { openImageFolder } from "./image-folder.ts";
import { recordSamples } from "./record-samples.ts";
import { parseProblem, type ProblemRow } from "./vlm-r1-problems.ts";

export interface R1vOptions extends BadSampleOptions {
  /** `superclevr_test200_counting_problems.jsonl`, `geoqa_test_prompts.jsonl`, or a file of the same form. */
  readonly path: string;
  /** The folder that `image_path` is relative to. */
  readonly images: string;
  /** Default {@link r1vTemplate}. */
  readonly template?: PromptTemplate;
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
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
