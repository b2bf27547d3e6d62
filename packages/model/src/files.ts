import { VlmR1Error } from "@vlmr1/core";
import type { Family } from "./families/family.ts";
import { familyOf, knownFamilies } from "./families/known-families.ts";
import { type GenerationConfig, readGenerationConfig } from "./generate/sampling.ts";
import type { ImageProcessor } from "./images/processor.ts";
import { type ChatTemplate, createChatTemplate } from "./text/chat.ts";
import { createTokenizer, type Tokenizer } from "./text/tokenizer.ts";
import type { ModelFiles, ModelFolder } from "./weights/documents.ts";

/** What the documents say, ready to use. */
interface ReadFiles {
  readonly family: Family;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | undefined;
  readonly processor: ImageProcessor | undefined;
  readonly generation: GenerationConfig;
}

/** Reads the documents of a folder. */
export async function readModelFiles(folder: ModelFolder): Promise<ModelFiles> {
  const { preprocessor, processor } = await readPreprocessorFiles(folder);
  return {
    config: await folder.json("config.json"),
    generationConfig: await folder.json("generation_config.json"),
    preprocessorConfig: preprocessor,
    processorConfig: processor,
    tokenizer: await folder.json("tokenizer.json"),
    tokenizerConfig: await folder.json("tokenizer_config.json"),
    chatTemplate: await readChatTemplate(folder),
  };
}

/** Makes tokenizer, template and processor from documents. Throws `VlmR1Error` that names the document and the field. */
export function interpretFiles(files: ModelFiles, families: readonly Family[] = knownFamilies): ReadFiles {
  const family = familyOf(files.config, families);
  const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
  const stop = tokenizer.named.get("eos_token");
  const fallbackStop = stop === undefined ? undefined : tokenizer.tokenId(stop);
  const hasImages = family.processor !== undefined && files.preprocessorConfig !== undefined;
  return {
    family,
    tokenizer,
    template:
      files.chatTemplate === undefined
        ? undefined
        : createChatTemplate(files.chatTemplate, family.processor !== undefined, tokenizer.named),
    processor: hasImages
      ? family.processor?.(files.config, files.preprocessorConfig, files.processorConfig)
      : undefined,
    generation: readGenerationConfig(files.generationConfig, files.config, fallbackStop),
  };
}

/** The image settings of a model folder. */
interface PreprocessorFiles {
  /** Parsed settings of the image processor; undefined when the folder has none. */
  readonly preprocessor: unknown;
  /** Parsed `processor_config.json`; undefined when the folder has none. */
  readonly processor: unknown;
}

/**
 * Reads the image settings in either style: `preprocessor_config.json` (transformers 4), or the field `image_processor` of
 * `processor_config.json` (transformers 5), which wins only when the first is missing.
 */
export async function readPreprocessorFiles(folder: ModelFolder): Promise<PreprocessorFiles> {
  const processor = await folder.json("processor_config.json");
  const own = await folder.json("preprocessor_config.json");
  const nested = (processor as { image_processor?: unknown } | null | undefined)?.image_processor;
  return { preprocessor: own ?? nested, processor };
}

/**
 * The chat template of a model folder, from the first place that has one: `chat_template.jinja`, `chat_template.json`, or the
 * field `chat_template` of `processor_config.json` and `tokenizer_config.json`, where it may be a list of named templates.
 * Undefined when there is none (a base model).
 *
 * @throws VlmR1Error `invalid-data` when the field is something else than text.
 */
export async function readChatTemplate(folder: ModelFolder): Promise<string | undefined> {
  const plain = await folder.text("chat_template.jinja");
  if (plain !== undefined) return plain;
  for (const name of ["chat_template.json", "processor_config.json", "tokenizer_config.json"]) {
    const document = await folder.json(name);
    const field = (document as { chat_template?: unknown } | null | undefined)?.chat_template;
    if (field === undefined || field === null) continue;
    return templateText(field, name);
  }
  return undefined;
}

function templateText(field: unknown, file: string): string {
  if (typeof field === "string") return field;
  const choices: unknown[] = Array.isArray(field) ? field : [];
  const named = choices.filter((choice): choice is { name: string; template: string } => isNamed(choice));
  const chosen = named.find(({ name }) => name === "default") ?? named[0];
  if (chosen) return chosen.template;
  throw new VlmR1Error(
    "invalid-data",
    `${file}: chat_template is neither text nor a list of named templates.`,
  );
}

function isNamed(value: unknown): boolean {
  const { name, template } = (value ?? {}) as { name?: unknown; template?: unknown };
  return typeof name === "string" && typeof template === "string";
}
