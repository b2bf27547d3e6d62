import { VlmR1Error } from "@vlmr1/core";
import type { Mention } from "@vlmr1/core/files";
import { createSkipLog, type BadSampleOptions, type LoadedDataset } from "../dataset/bad-samples.ts";
import { thinkTemplate, type PromptTemplate } from "../prompts.ts";
import { answerAsText, type AnswerReader } from "./answers.ts";
import { openImageFolder } from "./image-folder.ts";
import { pythonText } from "../python-text.ts";
import { idField, imageNames, optionalField, recordOf, wrongField } from "./record-fields.ts";
import { recordSamples, type ParsedRecord } from "./record-samples.ts";

/** One JSONL file, the folder of its images, and how its answers are scored. */
export interface VlmR1File {
  readonly path: string;
  /** The folder that the rows' `image` is relative to. */
  readonly images: string;
  /** `accu_reward_method` of the rows that have none of their own. Default `"default"`. */
  readonly rewardMethod?: string;
}

/** What every row of VLM-R1's JSONL says beside its answer. */
export interface VlmR1Row {
  /** The published solution: `<answer> … </answer>`. */
  readonly solution: string;
  /** Which of VLM-R1's accuracy rules scores the row: `default`, `mcq`, `yes_no`, `odLength`, … */
  readonly rewardMethod: string;
}

export interface VlmR1Options<Target> extends BadSampleOptions {
  readonly files: readonly VlmR1File[];
  /** Reads the answer: {@link answerAsText} (default), {@link answerAsBox}, {@link answerAsObjects}, or your own. */
  readonly answer?: AnswerReader<Target>;
  /** Default {@link thinkTemplate}; `recTemplate` for referring expressions. */
  readonly template?: PromptTemplate;
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
}

/**
 * Loads VLM-R1's JSONL: one `{id, image, conversations: [human, gpt], accu_reward_method?}` a line, from several files with a folder
 * each. `image` is a name, a list of names, or absent for a text-only row.
 *
 * As in the published code, every `<image>` is taken out of the question, `<answer>` tags out of the answer.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming file, line, field and value.
 * @see https://github.com/om-ai-lab/VLM-R1/blob/main/src/open-r1-multimodal/src/open_r1/grpo_jsonl.py
 */
export async function vlmR1Jsonl<Target = { readonly answer: string }>(
  options: VlmR1Options<Target>,
): Promise<LoadedDataset<Target & VlmR1Row>> {
  if (options.files.length === 0)
    throw new VlmR1Error("invalid-argument", "vlmR1Jsonl needs at least one file.");
  const log = createSkipLog(options.onBadSample);
  const template = options.template ?? thinkTemplate;
  const answer = (options.answer ?? answerAsText) as AnswerReader<Target>;
  const sources = await Promise.all(
    options.files.map(async ({ path, images, rewardMethod = "default" }) => ({
      path,
      images: await openImageFolder(images, options),
      parse: (record: unknown, mention: Mention) =>
        parseRow(record, mention, { template, answer, rewardMethod }),
    })),
  );
  return recordSamples(options.files.map(({ path }) => path).join(", "), sources, log);
}

interface RowReading<Target> {
  readonly template: PromptTemplate;
  readonly answer: AnswerReader<Target>;
  readonly rewardMethod: string;
}

function parseRow<Target>(
  value: unknown,
  mention: Mention,
  { template, answer, rewardMethod }: RowReading<Target>,
): ParsedRecord<Target & VlmR1Row> {
  const record = recordOf(value, mention);
  const turns = optionalField(record, "conversations");
  if (!Array.isArray(turns) || turns.length < 2) {
    throw wrongField(
      mention,
      "conversations",
      'a list [{"from": "human", "value": …}, {"from": "gpt", "value": …}]',
      turns,
    );
  }
  const question = optionalField(recordOf(turns[0], mention), "value");
  if (typeof question !== "string")
    throw wrongField(mention, "conversations[0].value", "the question as text", question);
  const given = optionalField(recordOf(turns[1], mention), "value");
  if (given === undefined) throw wrongField(mention, "conversations[1].value", "the answer", given);
  const text = typeof given === "string" ? given.replaceAll(/<\/?answer>/g, "").trim() : pythonText(given);
  const method = optionalField(record, "accu_reward_method") ?? rewardMethod;
  if (typeof method !== "string")
    throw wrongField(mention, "accu_reward_method", "the name of a rule", method);
  const read = answer(given, text, mention);
  return {
    ...idField(record, mention),
    prompt: template(question.replaceAll("<image>", "")),
    images: imageNames(record, "image", mention),
    target: (sizes) => ({ ...read(sizes), solution: `<answer> ${text} </answer>`, rewardMethod: method }),
  };
}
