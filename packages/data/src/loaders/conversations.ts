import { VlmR1Error } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";
import { type BadSampleOptions, createSkipLog, type LoadedDataset } from "../dataset/bad-samples.ts";
import { openImageFolder } from "../images/image-folder.ts";
import { withoutTags } from "./problems.ts";
import { plainTemplate, type PromptTemplate, pythonText, thinkTemplate } from "../prompts.ts";
import { answerAsText, type AnswerReader } from "../records/answers.ts";
import {
  idField,
  imageNames,
  type JsonRecord,
  optionalField,
  type ParsedRecord,
  recordOf,
  recordSamples,
  wrongField,
} from "../records/record-samples.ts";

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

export interface ConversationOptions<Target> extends BadSampleOptions {
  /** A `.json` list (LLaVA, LLaMA-Factory) or `.jsonl` file. */
  readonly path: string;
  /** The folder that the records' `image` or `images` are relative to. */
  readonly images: string;
  /** Reads the first answer; default {@link answerAsText}. */
  readonly answer?: AnswerReader<Target>;
  /** Default: the question is the prompt. */
  readonly template?: PromptTemplate;
  /** Largest image decoded, in pixels. */
  readonly maxPixels?: number;
}

/** Who speaks, under the names that LLaVA, ShareGPT and OpenAI's chat form use. */
const SPEAKERS: Readonly<Record<string, "system" | "user" | "assistant">> = {
  system: "system",
  human: "user",
  user: "user",
  gpt: "assistant",
  assistant: "assistant",
  chatgpt: "assistant",
};

/**
 * Loads LLaVA and ShareGPT conversations: `{id, image, conversations: [{from, value}, …]}` or `{images, messages: [{role, content}, …]}`.
 *
 * The first question becomes the prompt, the first answer the target and what supervised fine-tuning imitates, a system turn the
 * sample's system message; later turns are not used. The number of `<image>` placeholders, when there are any, must be the number of
 * images.
 * @throws VlmR1Error `not-found`, or `invalid-data` naming record, field and value.
 */
export async function conversations<Target = { readonly answer: string }>(
  options: ConversationOptions<Target>,
): Promise<LoadedDataset<Target>> {
  const log = createSkipLog(options.onBadSample);
  const images = await openImageFolder(options.images, options);
  const template = options.template ?? plainTemplate;
  const answer = (options.answer ?? answerAsText) as AnswerReader<Target>;
  const parse = (record: unknown, mention: Mention) => parseConversation(record, mention, template, answer);
  return recordSamples(options.path, [{ path: options.path, images, parse }], log);
}

function parseConversation<Target>(
  value: unknown,
  mention: Mention,
  template: PromptTemplate,
  answer: AnswerReader<Target>,
): ParsedRecord<Target> {
  const record = recordOf(value, mention);
  const turns = turnsOf(record, mention);
  const question = turns.findIndex(({ speaker }) => speaker === "user");
  const asked = turns[question];
  const answered = turns[question + 1];
  if (asked === undefined || answered?.speaker !== "assistant") {
    throw invalidData({
      ...mention,
      problem: "a conversation should have a question and its answer, one after the other",
    });
  }
  const names = imageNames(record, Object.hasOwn(record, "images") ? "images" : "image", mention);
  const placeholders = asked.text.split("<image>").length - 1;
  if (placeholders > 0 && placeholders !== names.length) {
    throw invalidData({
      ...mention,
      problem: `the question has ${placeholders} <image> placeholders for ${names.length} images; the numbers should be equal`,
    });
  }
  const system = turns.slice(0, question).find(({ speaker }) => speaker === "system")?.text;
  return {
    ...idField(record, mention),
    prompt: template(asked.text.replaceAll("<image>", "").trim()),
    images: names,
    target: answer(answered.text, withoutTags(answered.text), mention),
    answer: answered.text,
    ...(system === undefined ? {} : { system }),
  };
}

interface Turn {
  readonly speaker: "system" | "user" | "assistant";
  readonly text: string;
}

function turnsOf(record: JsonRecord, mention: Mention): readonly Turn[] {
  const key = Object.hasOwn(record, "messages") ? "messages" : "conversations";
  const turns = optionalField(record, key);
  if (!Array.isArray(turns)) {
    throw wrongField(
      mention,
      key,
      'a list of turns [{"from": "human", "value": …}, {"from": "gpt", "value": …}]',
      turns,
    );
  }
  return turns.map((entry, index): Turn => {
    const turn = recordOf(entry, mention);
    const from = optionalField(turn, "from") ?? optionalField(turn, "role");
    const speaker = typeof from === "string" && Object.hasOwn(SPEAKERS, from) ? SPEAKERS[from] : undefined;
    if (speaker === undefined)
      throw wrongField(mention, `${key}[${index}].from`, `one of ${Object.keys(SPEAKERS).join(", ")}`, from);
    const text = optionalField(turn, "value") ?? optionalField(turn, "content");
    if (typeof text !== "string") throw wrongField(mention, `${key}[${index}].value`, "text", text);
    return { speaker, text };
  });
}
