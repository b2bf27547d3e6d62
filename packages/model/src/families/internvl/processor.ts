import { VlmR1Error } from "@vlmr1/core";
import type { ImageProcessor } from "../../family.ts";
import { canvasProcessor } from "../../processor/canvas-processor.ts";
import { parseInternVlConfig, tileSize, tileTokens } from "./config.ts";

/**
 * The image processor of InternVL from parsed `config.json`, `preprocessor_config.json` and `processor_config.json`.
 *
 * @throws VlmR1Error `invalid-data` when the files are of different models.
 */
export function internVlProcessor(
  config: unknown,
  preprocessor: unknown,
  processor?: unknown,
): ImageProcessor {
  const parsed = parseInternVlConfig(config);
  const tokens = tileTokens(parsed);
  const { image_seq_length: stated } = (processor ?? {}) as { image_seq_length?: unknown };
  const { size } = (preprocessor ?? {}) as { size?: { height?: unknown } | null };
  const problems: readonly (readonly [boolean, string])[] = [
    [
      typeof stated === "number" && stated !== tokens,
      `processor_config.json: image_seq_length is ${String(stated)}, config.json makes ${tokens}`,
    ],
    [
      typeof size?.height === "number" && size.height !== tileSize(parsed),
      `preprocessor_config.json: size.height is ${String(size?.height)}, the tower of config.json takes ${tileSize(parsed)}`,
    ],
  ];
  const found = problems.find(([wrong]) => wrong);
  if (found) throw new VlmR1Error("invalid-data", `${found[1]}. The files are of different models.`);
  return canvasProcessor(preprocessor, { imageSize: tileSize(parsed), tokensPerTile: tokens });
}
