import { familyOf, knownFamilies } from "./families/known-families.ts";
import type { Family, ImageProcessor } from "./family.ts";
import type { ModelFolder } from "./model-folder.ts";
import { readPreprocessorFiles } from "./processor/preprocessor-file.ts";
import { createChatTemplate, type ChatTemplate } from "./text/chat-template.ts";
import { readGenerationConfig, type GenerationConfig } from "./text/generation-config.ts";
import { readChatTemplate } from "./text/template-file.ts";
import { createTokenizer, type Tokenizer } from "./text/tokenizer.ts";

/** The documents of a checkpoint beside its weights, parsed; the names are those of the hub. */
export interface ModelFiles {
  /** `config.json` */
  readonly config: unknown;
  /** `generation_config.json` */
  readonly generationConfig?: unknown;
  /** `preprocessor_config.json` */
  readonly preprocessorConfig?: unknown;
  /** `processor_config.json` */
  readonly processorConfig?: unknown;
  /** `tokenizer.json` */
  readonly tokenizer: unknown;
  /** `tokenizer_config.json` */
  readonly tokenizerConfig?: unknown;
  /** Text of `chat_template.jinja` */
  readonly chatTemplate?: string | undefined;
}

/** What the documents say, ready to use. */
export interface ReadFiles {
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
