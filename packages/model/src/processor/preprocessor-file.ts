import type { ModelFolder } from "../model-folder.ts";

/** The image settings of a model folder. */
export interface PreprocessorFiles {
  /** Parsed settings of the image processor; undefined when the folder has none. */
  readonly preprocessor: unknown;
  /** Parsed `processor_config.json`; undefined when the folder has none. */
  readonly processor: unknown;
}

/**
 * Reads the image settings in either style: `preprocessor_config.json` (transformers 4), or the field
 * `image_processor` of
 * `processor_config.json` (transformers 5), which wins only when the first is missing.
 */
export async function readPreprocessorFiles(folder: ModelFolder): Promise<PreprocessorFiles> {
  const processor = await folder.json("processor_config.json");
  const own = await folder.json("preprocessor_config.json");
  const nested = (processor as { image_processor?: unknown } | null | undefined)?.image_processor;
  return { preprocessor: own ?? nested, processor };
}
