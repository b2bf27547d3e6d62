import type { ImageProcessor } from "../../family.ts";
import { qwenProcessor } from "../../processor/qwen-processor.ts";
import { parseQwen2VlConfig } from "./config.ts";

/**
 * The image processor of Qwen2-VL; `config` is a parsed `config.json`, `preprocessor` a parsed
 * `preprocessor_config.json`.
 */
export function qwen2VlProcessor(config: unknown, preprocessor: unknown): ImageProcessor {
  const vision = parseQwen2VlConfig(config).vision_config;
  return qwenProcessor(preprocessor, {
    patchSize: vision.patch_size,
    temporalPatchSize: vision.temporal_patch_size,
    mergeSize: vision.spatial_merge_size,
  });
}
