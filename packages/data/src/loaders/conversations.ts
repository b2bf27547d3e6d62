import { VlmR1Error } from "@vlmr1/core";
import { invalidData, type Mention } from "@vlmr1/core/files";
import { type LoaderOptions, createSkipLog, type LoadedDataset } from "../dataset/bad-samples.ts";
import { openImageFolder } from "../images/image-folder.ts";
import { withoutTags } from "./problems.ts";
import { plainTemplate, type PromptTemplate, pythonText, thinkTemplate } from "../prompts.ts";
import { answerAsText, type AnswerReader } from "../records/answers.ts";
import {
  checkPlaceholders,
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

export interface VlmR1Options<Target> extends LoaderOptions {
  readonly files: readonly VlmR1File[];
  /** Reads the answer: {@link answerAsText} (default), {@link answerAsBox}, {@link answerAsObjects}, or your own. */
  readonly answer?: AnswerReader<Target>;
  /** Default {@link thinkTemplate}; `recTemplate` for referring expressions. */
  readonly template?: PromptTemplate;
}

/**
 * Loads VLM-R1's JSONL: one `{id, image, conversations: [human, gpt], accu_reward_method?}` a line, from several files with a folder
 * each. `image` (or `images`) is a name, a list of names, or absent, null or empty for a text-only row.
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
  const { question, answer: given, system, images } = firstExchange(record, mention);
  const text = typeof given === "string" ? given.replaceAll(/<\/?answer>/g, "").trim() : pythonText(given);
  const method = optionalField(record, "accu_reward_method") ?? rewardMethod;
  if (typeof method !== "string")
    throw wrongField(mention, "accu_reward_method", "the name of a rule", method);
  const read = answer(given, text, mention);
  return {
    ...idField(record, mention),
    prompt: template(question),
    images,
    target: (sizes) => ({ ...read(sizes), solution: `<answer> ${text} </answer>`, rewardMethod: method }),
    ...(system === undefined ? {} : { system }),
  };
}

export interface ConversationOptions<Target> extends LoaderOptions {
  /** A `.json` list (LLaVA, LLaMA-Factory) or `.jsonl` file. */
  readonly path: string;
  /** The folder that the records' `image` or `images` are relative to. */
  readonly images: string;
  /** Reads the first answer; default {@link answerAsText}. */
  readonly answer?: AnswerReader<Target>;
  /** Default: the question is the prompt. */
  readonly template?: PromptTemplate;
}

/**
 * Loads LLaVA and ShareGPT conversations: `{id, image, conversations: [{from, value}, …]}` or `{images, messages: [{role, content}, …]}`.
 *
 * The first question becomes the prompt, the first answer the target and what supervised fine-tuning imitates, a system turn the
 * sample's system message; later turns are not used. The number of `<image>` placeholders in all turns, when there are any, must be the
 * number of images; placeholders that other tools fill in (`<bbox>`, `<ref-object>`, `<video>`, …) are an error.
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
  read: AnswerReader<Target>,
): ParsedRecord<Target> {
  const record = recordOf(value, mention);
  const { question, answer, answerPlace, system, images } = firstExchange(record, mention);
  if (typeof answer !== "string") throw wrongField(mention, answerPlace, "text", answer);
  return {
    ...idField(record, mention),
    prompt: template(question.trim()),
    images,
    target: read(answer, withoutTags(answer), mention),
    answer,
    ...(system === undefined ? {} : { system }),
  };
}

/** Who speaks, under the names that LLaVA, ShareGPT and OpenAI's chat form use. */
const speakers: Readonly<Record<string, "system" | "user" | "assistant">> = {
  system: "system",
  human: "user",
  user: "user",
  gpt: "assistant",
  assistant: "assistant",
  chatgpt: "assistant",
};

interface Turn {
  readonly speaker: "system" | "user" | "assistant";
  /** Text; an answer may be a number or a list, too. */
  readonly said: unknown;
  /** Where it is in the record, for errors. */
  readonly place: string;
}

/** What a sample is made of: the first question of a conversation and its answer. */
interface Exchange {
  /** Without its `<image>` placeholders. */
  readonly question: string;
  readonly answer: unknown;
  readonly answerPlace: string;
  readonly system?: string;
  /** The pictures that the question speaks of. */
  readonly images: readonly string[];
}

/**
 * Reads the first question and the answer that follows it, wherever a system turn stands.
 *
 * Every `<image>` of the conversation stands for one picture, in order; the sample gets those up to its question. A
 * conversation without placeholders shows all its pictures at once.
 */
function firstExchange(record: JsonRecord, mention: Mention): Exchange {
  const turns = turnsOf(record, mention);
  const spoken = turns.filter(({ speaker }) => speaker !== "system");
  const at = spoken.findIndex(({ speaker }) => speaker === "user");
  const [asked, answered] = spoken.slice(at < 0 ? spoken.length : at);
  if (asked === undefined || answered?.speaker !== "assistant") {
    throw invalidData({
      ...mention,
      problem: "a conversation should have a question and its answer, one after the other",
    });
  }
  if (typeof asked.said !== "string")
    throw wrongField(mention, asked.place, "the question as text", asked.said);
  const key = optionalField(record, "images") === undefined ? "image" : "images";
  const names = imageNames(record, key, mention);
  const texts = turns.map(({ said }) => (typeof said === "string" ? said : ""));
  const placeholders = checkPlaceholders(texts, names.length, mention);
  const upToQuestion = texts.slice(0, turns.indexOf(asked) + 1).join("");
  const [system] = turns.filter(({ speaker }) => speaker === "system");
  return {
    question: asked.said.replaceAll("<image>", ""),
    answer: answered.said,
    answerPlace: answered.place,
    images: placeholders === 0 ? names : names.slice(0, upToQuestion.split("<image>").length - 1),
    ...(typeof system?.said === "string" && { system: system.said }),
  };
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
    // VLM-R1's own loader looks at positions only, and its files may leave the speakers out.
    const from =
      optionalField(turn, "from") ?? optionalField(turn, "role") ?? (index % 2 === 0 ? "human" : "gpt");
    const speaker = typeof from === "string" && Object.hasOwn(speakers, from) ? speakers[from] : undefined;
    if (speaker === undefined)
      throw wrongField(mention, `${key}[${index}].from`, `one of ${Object.keys(speakers).join(", ")}`, from);
    const said = optionalField(turn, "value") ?? optionalField(turn, "content");
    const place = `${key}[${index}].value`;
    if (said === undefined || (speaker !== "assistant" && typeof said !== "string"))
      throw wrongField(mention, place, speaker === "assistant" ? "the answer" : "text", said);
    return { speaker, said, place };
  });
}
