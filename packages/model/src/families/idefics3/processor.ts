import { VlmR1Error } from "@vlmr1/core";
import type { ImageProcessor } from "../../family.ts";
import { tileProcessor } from "../../processor/tile-processor.ts";
import { parseIdefics3Config, tileTokens } from "./config.ts";

/**
 * The image processor of Idefics3, SmolVLM and SmolVLM2 from parsed `config.json`, `preprocessor_config.json` and
 * `processor_config.json`.
 *
 * @throws VlmR1Error `invalid-data` when the files are of different models.
 */
export function idefics3Processor(
  config: unknown,
  preprocessor: unknown,
  processor?: unknown,
): ImageProcessor {
  const parsed = parseIdefics3Config(config);
  const tokens = tileTokens(parsed);
  const { image_seq_len: stated } = (processor ?? {}) as { image_seq_len?: unknown };
  if (typeof stated === "number" && stated !== tokens) {
    throw new VlmR1Error(
      "invalid-data",
      `processor_config.json: image_seq_len is ${stated}, but config.json makes ${tokens} features of a tile. The files are of different models.`,
    );
  }
  return tileProcessor(preprocessor, { imageSize: parsed.vision_config.image_size, tokensPerTile: tokens });
}
