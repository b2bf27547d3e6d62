import { invalidData, type Mention } from "@vlmr1/core/files";
import { createSkipLog, type BadSampleOptions, type LoadedDataset } from "../dataset/bad-samples.ts";
import { plainTemplate, type PromptTemplate } from "../prompts.ts";
import { answerAsText, type AnswerReader } from "./answers.ts";
import { openImageFolder } from "./image-folder.ts";
import {
  idField,
  imageNames,
  optionalField,
  recordOf,
  wrongField,
  type JsonRecord,
} from "./record-fields.ts";
import { recordSamples, type ParsedRecord } from "./record-samples.ts";
import { withoutTags } from "./vlm-r1-problems.ts";

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
